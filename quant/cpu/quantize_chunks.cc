// QuantizeChunks of quant/cpu/kernels.h: blocks along contiguous memory.

#include <cstring>
#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_chunks.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// The bits of |x|, ordered as integers as |x| is ordered; NaN above infinity.
HWY_INLINE VI AbsBits(VF x) { return hn::BitCast(Ints(), hn::Abs(x)); }

// Maxima of kCount successive units, by a tree of pairwise reductions: lane
// i * (kLanes / kCount) and the following ones hold partial maxima of unit i.
template <size_t kCount>
HWY_INLINE VI UnitMaxima(const float* HWY_RESTRICT x) {
  const Ints di;
  if constexpr (kCount == 1) {
    const Floats d;
    VI max = AbsBits(hn::LoadU(d, x));
    for (size_t i = kLanes; i < kUnit; i += kLanes) {
      max = hn::Max(max, AbsBits(hn::LoadU(d, x + i)));
    }
    return max;
  } else {
    const VI low = UnitMaxima<kCount / 2>(x);
    const VI high = UnitMaxima<kCount / 2>(x + kCount / 2 * kUnit);
    return hn::Max(hn::ConcatEven(di, high, low), hn::ConcatOdd(di, high, low));
  }
}

// The factors of a chunk, a value for each unit.
struct ChunkFactors {
  HWY_ALIGN int32_t amax_bits[kUnits];
  HWY_ALIGN float factor[kUnits];
  HWY_ALIGN float value_factor[kUnits];
  HWY_ALIGN float stored[kUnits];
  HWY_ALIGN int32_t code[kUnits];
};

// False, and nothing but amax_bits written, if the chunk is not finite. Not
// inlined: there are many callers, and a call for 256 elements is nothing.
HWY_NOINLINE bool FindFactors(const KernelParams& params, size_t block_units,
                              const float* HWY_RESTRICT x, ChunkFactors& f) {
  const Floats d;
  const Ints di;
  VI largest = hn::Zero(di);
  for (size_t i = 0; i < kUnits; i += kLanes) {
    const VI max = UnitMaxima<kLanes>(x + i * kUnit);
    largest = hn::Max(largest, max);
    hn::Store(max, di, f.amax_bits + i);
  }
  const auto bad = hn::Gt(largest, hn::Set(di, 0x7F7FFFFF));
  if (HWY_UNLIKELY(!hn::AllFalse(di, bad))) return false;
  if (block_units == 2) {
    for (size_t i = 0; i < kUnits; i += kLanes) {
      const VI max = hn::Load(di, f.amax_bits + i);
      hn::Store(hn::Max(max, hn::Reverse2(di, max)), di, f.amax_bits + i);
    }
  } else if (block_units > 2) {
    for (size_t i = 0; i < kUnits; i += block_units) {
      int32_t max = 0;
      for (size_t j = 0; j < block_units; ++j) {
        max = HWY_MAX(max, f.amax_bits[i + j]);
      }
      for (size_t j = 0; j < block_units; ++j) f.amax_bits[i + j] = max;
    }
  }
  for (size_t i = 0; i < kUnits; i += kLanes) {
    const LaneFactors lanes =
        FactorsOfAmax(params, hn::BitCast(d, hn::Load(di, f.amax_bits + i)));
    hn::Store(lanes.factor, d, f.factor + i);
    hn::Store(ValueFactor(params, lanes), d, f.value_factor + i);
    hn::Store(lanes.stored, d, f.stored + i);
    hn::Store(lanes.code, di, f.code + i);
  }
  return true;
}

HWY_NOINLINE void StoreScales(const ChunkFactors& f, size_t block_units,
                              size_t block, const KernelOutput& output) {
  if (output.scale_codes != nullptr) {
    uint8_t* to = output.scale_codes + block;
    for (size_t i = 0; i < kUnits; i += block_units) {
      *to++ = static_cast<uint8_t>(f.code[i]);
    }
  }
  if (output.stored_scales != nullptr) {
    float* to = output.stored_scales + block;
    for (size_t i = 0; i < kUnits; i += block_units) *to++ = f.stored[i];
  }
}

enum class Want { kValues, kCodes };

template <Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyVector(const ChunkFactors& f, size_t i,
                            const float* HWY_RESTRICT x, size_t at,
                            const RandomBits& random,
                            const KernelOutput& output) {
  const Floats d;
  const size_t unit = i / kUnit;
  const VF v = hn::LoadU(d, x + i);
  const VF factor = hn::Set(d, f.factor[unit]);
  const VU bits = LoadRandom<kRounding>(random, at + i);
  if constexpr (kWant == Want::kCodes) {
    const hn::Rebind<uint8_t, Words> d8;
    const VU codes = EncodeLanes<kRounding, kDivide>(v, factor, bits);
    hn::StoreU(hn::TruncateTo(d8, codes), d8, output.codes + i);
  } else {
    const VF r = QuantizeLanes<kRounding, kDivide>(v, factor, bits);
    const VF y = ValueOf(r, v, hn::Set(d, f.value_factor[unit]));
    hn::StoreU(y, d, output.values + i);
  }
}

template <Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyChunk(const ChunkFactors& f, const float* HWY_RESTRICT x,
                           size_t at, const RandomBits& random,
                           const KernelOutput& output) {
  // Four vectors at a time are independent work for the pipelines.
  for (size_t i = 0; i < kChunk; i += 4 * kLanes) {
    ApplyVector<kRounding, kDivide, kWant>(f, i, x, at, random, output);
    ApplyVector<kRounding, kDivide, kWant>(f, i + kLanes, x, at, random,
                                           output);
    ApplyVector<kRounding, kDivide, kWant>(f, i + 2 * kLanes, x, at, random,
                                           output);
    ApplyVector<kRounding, kDivide, kWant>(f, i + 3 * kLanes, x, at, random,
                                           output);
  }
}

// Two codes a byte, even element low.
HWY_INLINE void PackChunk(const uint8_t* HWY_RESTRICT codes,
                          uint8_t* HWY_RESTRICT packed) {
  const hn::CappedTag<uint8_t, 32> d;
  const hn::Repartition<uint16_t, decltype(d)> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  for (size_t i = 0; i < kChunk; i += hn::MaxLanes(d)) {
    const auto pairs = hn::BitCast(d16, hn::Load(d, codes + i));
    const auto bytes =
        hn::And(hn::Or(pairs, hn::ShiftRight<4>(pairs)), hn::Set(d16, 0x00FF));
    hn::StoreU(hn::TruncateTo(d8, bytes), d8, packed + i / 2);
  }
}

template <Rounding kRounding, bool kDivide, Want kWant>
size_t Run(const KernelParams& params, size_t block_units,
           const float* HWY_RESTRICT x, size_t chunks, const RandomBits& random,
           const KernelOutput& output) {
  const size_t blocks = kUnits / block_units;  // Of a chunk.
  // The scales of the next chunk are worked out before the current one is
  // written: their divisions overlap with its elements.
  ChunkFactors buffers[2];
  if (chunks == 0 || !FindFactors(params, block_units, x, buffers[0])) return 0;
  for (size_t c = 0; c < chunks; ++c) {
    const ChunkFactors& f = buffers[c % 2];
    const float* chunk = x + c * kChunk;
    bool more = false;
    if (c + 1 < chunks) {
      more = FindFactors(params, block_units, chunk + kChunk,
                         buffers[(c + 1) % 2]);
    }
    const size_t at = c * kChunk;
    KernelOutput here = output;
    HWY_ALIGN uint8_t codes[kChunk];
    if constexpr (kWant == Want::kCodes) {
      here.codes = output.packed != nullptr ? codes : output.codes + at;
    } else {
      here.values = output.values + at;
    }
    ApplyChunk<kRounding, kDivide, kWant>(f, chunk, at, random, here);
    if (kWant == Want::kCodes && output.packed != nullptr) {
      PackChunk(codes, output.packed + at / 2);
    }
    StoreScales(f, block_units, c * blocks, output);
    if (!more) return c + 1;
  }
  return chunks;
}

size_t QuantizeChunksImpl(const KernelParams& params, size_t block_units,
                          const float* x, size_t chunks,
                          const RandomBits& random,
                          const KernelOutput& output) {
  size_t done = 0;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    if (output.packed != nullptr || output.codes != nullptr) {
      done = Run<kRounding, kDivide, Want::kCodes>(params, block_units, x,
                                                   chunks, random, output);
    } else {
      done = Run<kRounding, kDivide, Want::kValues>(params, block_units, x,
                                                    chunks, random, output);
    }
  });
  return done;
}

uint32_t AmaxBitsImpl(const float* HWY_RESTRICT x, size_t n) {
  const Floats d;
  const Ints di;
  VI max[4] = {hn::Zero(di), hn::Zero(di), hn::Zero(di), hn::Zero(di)};
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (size_t k = 0; k < 4; ++k) {
      max[k] = hn::Max(max[k], AbsBits(hn::LoadU(d, x + i + k * kLanes)));
    }
  }
  const VI all = hn::Max(hn::Max(max[0], max[1]), hn::Max(max[2], max[3]));
  HWY_ALIGN int32_t lanes[kLanes];
  hn::Store(all, di, lanes);
  uint32_t result = 0;
  for (const int32_t lane : lanes) {
    result = HWY_MAX(result, static_cast<uint32_t>(lane));
  }
  for (; i < n; ++i) {
    result = HWY_MAX(result, BitCast<uint32_t>(x[i]) & 0x7FFFFFFFu);
  }
  return result;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizeChunksImpl);
HWY_EXPORT(AmaxBitsImpl);

size_t QuantizeChunks(const KernelParams& params, size_t block_units,
                      const float* x, size_t chunks, const RandomBits& random,
                      const KernelOutput& output) {
  return HWY_DYNAMIC_DISPATCH(QuantizeChunksImpl)(params, block_units, x,
                                                  chunks, random, output);
}

uint32_t AmaxBits(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(AmaxBitsImpl)(x, n);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
