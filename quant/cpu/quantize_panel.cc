// AddErrors, ChooseScales, QuantizePanel and QuantizeChunksByError of
// quant/cpu/kernels.h: the rules that choose a block's scale by its error, a
// block a lane.

#include <cstring>
#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_panel.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/lane_scales-inl.h"
#include "quant/cpu/panel_errors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// None of these rules divides.
void AddErrorsImpl(const KernelParams& params, const uint32_t* amax_bits,
                   const float* x, size_t elements, const RandomBits& random,
                   float* errors) {
  const KernelScope scope;
  DispatchElement(params, [&](auto rounding, auto divide) {
    if constexpr (!decltype(divide)::value) {
      DispatchError(params.rule, [&](auto error) {
        RunErrors<decltype(rounding)::value, decltype(error)::value>(
            params, amax_bits, x, elements, random, errors);
      });
    }
  });
}

template <Error kError>
HWY_INLINE void StoreChosen(const KernelParams& params,
                            const uint32_t* amax_bits, const float* errors,
                            PanelFactors& to) {
  const Floats d;
  const hn::Rebind<uint8_t, Words> d8;
  for (size_t j = 0; j < kUnit; j += kLanes) {
    const VF amax = hn::BitCast(d, hn::LoadU(Words(), amax_bits + j));
    const LaneFactors f = Choose<kError>(params, amax, errors + j);
    hn::StoreU(f.factor, d, to.factor + j);
    hn::StoreU(ValueFactor(params, f), d, to.value_factor + j);
    hn::StoreU(f.stored, d, to.stored + j);
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(Words(), f.code)), d8,
               to.code + j);
  }
}

void ChooseScalesImpl(const KernelParams& params, const uint32_t* amax_bits,
                      const float* errors, PanelFactors& to) {
  const KernelScope scope;
  DispatchError(params.rule, [&](auto error) HWY_ATTR {
    StoreChosen<decltype(error)::value>(params, amax_bits, errors, to);
  });
}

template <Rounding kRounding>
void RunElements(const PanelFactors& f, const float* x, size_t elements,
                 const RandomBits& random, float* values, uint8_t* codes) {
  const Floats d;
  const hn::Rebind<uint8_t, Words> d8;
  for (size_t i = 0; i < elements * kUnit; i += kLanes) {
    const size_t j = i % kUnit;
    const VF v = hn::LoadU(d, x + i);
    const VF r = QuantizeLanes<kRounding, false>(
        v, hn::LoadU(d, f.factor + j), LoadRandom<kRounding>(random, i));
    if (values != nullptr) {
      hn::StoreU(ValueOf(r, v, hn::LoadU(d, f.value_factor + j)), d,
                 values + i);
    }
    if (codes != nullptr) {
      hn::StoreU(hn::TruncateTo(d8, CodeOf(r, v)), d8, codes + i);
    }
  }
}

void QuantizePanelImpl(const KernelParams& params, const PanelFactors& factors,
                       const float* x, size_t elements,
                       const RandomBits& random, float* values,
                       uint8_t* codes) {
  const KernelScope scope;
  DispatchElement(params, [&](auto rounding, auto divide) {
    if constexpr (!decltype(divide)::value) {
      RunElements<decltype(rounding)::value>(factors, x, elements, random,
                                             values, codes);
    }
  });
}

// A vector of four elements each of rows 0, 4, 8 and 12, as far as it is long.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadEveryFourthRow(D d, const T* x) {
  if constexpr (hn::MaxLanes(d) == 4) {
    return hn::LoadU(d, x);
  } else {
    const hn::Half<D> half;
    const T* upper = x + hn::MaxLanes(half) * kUnit;
    return hn::Combine(d, LoadEveryFourthRow(half, upper),
                       LoadEveryFourthRow(half, x));
  }
}

// A panel from a chunk: the 16 x 16 transpose, 4 x 4 in each 128 bits.
template <class T>
HWY_INLINE void Transpose(const T* x, T* y) {
  const hn::CappedTag<T, kUnit> d;
  const hn::RepartitionToWide<hn::RebindToUnsigned<decltype(d)>> pairs;
  for (size_t r = 0; r < kUnit; r += hn::MaxLanes(d)) {
    for (size_t c = 0; c < kUnit; c += 4) {
      const T* from = x + r * kUnit + c;
      const auto v0 = LoadEveryFourthRow(d, from);
      const auto v1 = LoadEveryFourthRow(d, from + kUnit);
      const auto v2 = LoadEveryFourthRow(d, from + 2 * kUnit);
      const auto v3 = LoadEveryFourthRow(d, from + 3 * kUnit);
      const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v0, v1));
      const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v0, v1));
      const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v2, v3));
      const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v2, v3));
      const auto store = [&](auto v, size_t row) HWY_ATTR {
        hn::StoreU(hn::BitCast(d, v), d, y + (c + row) * kUnit + r);
      };
      store(hn::InterleaveLower(pairs, low01, low23), 0);
      store(hn::InterleaveUpper(pairs, low01, low23), 1);
      store(hn::InterleaveLower(pairs, high01, high23), 2);
      store(hn::InterleaveUpper(pairs, high01, high23), 3);
    }
  }
}

// The same for bytes: rows i and i + 8 are interleaved, four times.
HWY_INLINE void TransposeBytes(const uint8_t* x, uint8_t* y) {
  const hn::FixedTag<uint8_t, 16> d;
  HWY_ALIGN uint8_t rows[2][kChunk];
  memcpy(rows[0], x, kChunk);
  for (size_t stage = 0; stage < 4; ++stage) {
    const uint8_t* from = rows[stage % 2];
    uint8_t* to = stage == 3 ? y : rows[1 - stage % 2];
    for (size_t i = 0; i < 8; ++i) {
      const auto a = hn::LoadU(d, from + i * kUnit);
      const auto b = hn::LoadU(d, from + (i + 8) * kUnit);
      hn::StoreU(hn::InterleaveLower(d, a, b), d, to + 2 * i * kUnit);
      hn::StoreU(hn::InterleaveUpper(d, a, b), d, to + (2 * i + 1) * kUnit);
    }
  }
}

template <Rounding kRounding, Error kError>
bool ChooseOfChunk(const KernelParams& params, const float* x,
                   const RandomBits& random, PanelFactors& factors) {
  const Ints di;
  HWY_ALIGN float panel[kChunk];
  Transpose(x, panel);
  HWY_ALIGN uint32_t amax_bits[kUnit];
  for (size_t j = 0; j < kUnit; j += kLanes) {
    VI max = hn::Zero(di);
    for (size_t e = 0; e < kUnit; ++e) {
      max = hn::Max(max, AbsBits(hn::Load(Floats(), panel + e * kUnit + j)));
    }
    if (!hn::AllFalse(di, hn::Gt(max, hn::Set(di, 0x7F7FFFFF)))) return false;
    hn::Store(hn::BitCast(Words(), max), Words(), amax_bits + j);
  }
  HWY_ALIGN uint8_t bytes[kChunk];
  HWY_ALIGN uint32_t words[kChunk];
  RandomBits at;
  if constexpr (kRounding == Rounding::kStochastic8) {
    TransposeBytes(random.bytes, bytes);
    at.bytes = bytes;
  }
  if constexpr (kRounding == Rounding::kStochastic) {
    Transpose(random.words, words);
    at.words = words;
  }
  constexpr size_t kCandidates =
      kError == Error::kTensorSquared ? kBestOf126First : 2;
  HWY_ALIGN float errors[kCandidates * kUnit] = {};
  RunErrors<kRounding, kError>(params, amax_bits, panel, kUnit, at, errors);
  StoreChosen<kError>(params, amax_bits, errors, factors);
  return true;
}

bool ChooseUnitScalesImpl(const KernelParams& params, const float* x,
                          const RandomBits& random, PanelFactors& factors) {
  const KernelScope scope;
  bool finite = false;
  DispatchElement(params, [&](auto rounding, auto divide) {
    if constexpr (!decltype(divide)::value) {
      DispatchError(params.rule, [&](auto error) {
        finite =
            ChooseOfChunk<decltype(rounding)::value, decltype(error)::value>(
                params, x, random, factors);
      });
    }
  });
  return finite;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(AddErrorsImpl);
HWY_EXPORT(ChooseScalesImpl);
HWY_EXPORT(QuantizePanelImpl);
HWY_EXPORT(ChooseUnitScalesImpl);

void AddErrors(const KernelParams& params, const uint32_t* amax_bits,
               const float* x, size_t elements, const RandomBits& random,
               float* errors) {
  HWY_DYNAMIC_DISPATCH(AddErrorsImpl)
  (params, amax_bits, x, elements, random, errors);
}

PanelFactors ChooseScales(const KernelParams& params, const uint32_t* amax_bits,
                          const float* errors) {
  PanelFactors factors;
  HWY_DYNAMIC_DISPATCH(ChooseScalesImpl)(params, amax_bits, errors, factors);
  return factors;
}

void QuantizePanel(const KernelParams& params, const PanelFactors& factors,
                   const float* x, size_t elements, const RandomBits& random,
                   float* values, uint8_t* codes) {
  HWY_DYNAMIC_DISPATCH(QuantizePanelImpl)
  (params, factors, x, elements, random, values, codes);
}

size_t QuantizeChunksByError(const KernelParams& params, const float* x,
                             size_t chunks, const RandomBits& random,
                             const KernelOutput& output) {
  RandomBits of_chunk = random;
  KernelOutput to = output;
  uint8_t codes[kChunk];
  if (output.packed != nullptr) to.codes = codes;
  for (size_t c = 0; c < chunks; ++c, x += kChunk) {
    PanelFactors factors;
    if (!HWY_DYNAMIC_DISPATCH(ChooseUnitScalesImpl)(params, x, of_chunk,
                                                    factors)) {
      return c;
    }
    if (to.scale_codes != nullptr) {
      memcpy(to.scale_codes + c * kUnits, factors.code, sizeof(factors.code));
    }
    if (to.stored_scales != nullptr) {
      memcpy(to.stored_scales + c * kUnits, factors.stored,
             sizeof(factors.stored));
    }
    QuantizeUnits(params, x, kUnits, factors.factor, factors.value_factor,
                  of_chunk, to);
    if (output.packed != nullptr) {
      PackCodes(codes, kChunk, output.packed + c * kChunk / 2);
    } else if (to.codes != nullptr) {
      to.codes += kChunk;
    }
    if (to.values != nullptr) to.values += kChunk;
    if (of_chunk.bytes != nullptr) of_chunk.bytes += kChunk;
    if (of_chunk.words != nullptr) of_chunk.words += kChunk;
  }
  return chunks;
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
