// QuantizeChunks of quant/cpu/kernels.h: blocks along contiguous memory.

#include <cstring>
#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_chunks.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "quant/cpu/narrow_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// Maxima of kCount successive units, by a tree of pairwise reductions: lane
// i * (kLanes / kCount) and the following ones hold partial maxima of unit i.
template <size_t kCount>
HWY_INLINE VI UnitMaxima(const float* HWY_RESTRICT x) {
  const Ints di;
  if constexpr (kCount == 1) {
    VI max = AbsBits(hn::LoadU(Floats(), x));
    for (size_t i = kLanes; i < kUnit; i += kLanes) {
      max = hn::Max(max, AbsBits(hn::LoadU(Floats(), x + i)));
    }
    return max;
  } else {
    const VI low = UnitMaxima<kCount / 2>(x);
    const VI high = UnitMaxima<kCount / 2>(x + kCount / 2 * kUnit);
    return hn::Max(hn::ConcatEven(di, high, low), hn::ConcatOdd(di, high, low));
  }
}

// The FP32 bits of the amaxes of kLanes successive units.
template <class Lanes>
HWY_INLINE VI AmaxBitsOfUnits(const typename Lanes::Bits* HWY_RESTRICT x) {
  if constexpr (std::is_same_v<typename Lanes::Bits, float>) {
    return UnitMaxima<kLanes>(x);
  } else {
    const Words d;
    const VU bits =
        hn::And(hn::BitCast(d, NarrowUnitMaxima(x)), hn::Set(d, 0x7FFFu));
    return hn::BitCast(Ints(), Lanes::OfWords(bits));
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

// amax_bits, of units. False if the chunk is not finite. This and the next one
// are not inlined: there are many callers, and a call for 256 elements is
// nothing.
template <class Lanes>
HWY_NOINLINE bool FindAmaxes(const typename Lanes::Bits* HWY_RESTRICT x,
                             ChunkFactors& f) {
  const Ints di;
  VI largest = hn::Zero(di);
  for (size_t i = 0; i < kUnits; i += kLanes) {
    const VI max = AmaxBitsOfUnits<Lanes>(x + i * kUnit);
    largest = hn::Max(largest, max);
    hn::Store(max, di, f.amax_bits + i);
  }
  return hn::AllFalse(di, hn::Gt(largest, hn::Set(di, 0x7F7FFFFF)));
}

// Everything else, from amax_bits.
HWY_NOINLINE void FindFactors(const KernelParams& params, size_t block_units,
                              ChunkFactors& f) {
  const Floats d;
  const Ints di;
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

// kStreamed: values that go past the caches, for outputs that no cache holds.
enum class Want { kValues, kStreamed, kCodes, kPacked };

// Codes of 2 * kLanes successive elements, two a byte, even element low.
HWY_INLINE void StorePairs(VU low, VU high, uint8_t* packed) {
  const Words d;
  const hn::Rebind<uint8_t, Words> d8;
  const VU even = hn::ConcatEven(d, high, low);
  const VU odd = hn::ConcatOdd(d, high, low);
  hn::StoreU(hn::TruncateTo(d8, hn::Or(even, hn::ShiftLeft<4>(odd))), d8,
             packed);
}

// What elements of units are multiplied by and their values are, a number a
// unit, and the random bits of element 0.
struct UnitFactors {
  const float* factor;
  const float* value_factor;
  RandomBits random;
};

template <class Lanes, Rounding kRounding, bool kDivide>
HWY_INLINE VU CodesAt(const UnitFactors& f, const typename Lanes::Bits* x,
                      size_t i) {
  return EncodeLanes<kRounding, kDivide>(Lanes::Load(x + i),
                                         hn::Set(Floats(), f.factor[i / kUnit]),
                                         LoadRandom<kRounding>(f.random, i));
}

// Elements i .. i + kLanes - 1 to values or to codes, one a byte.
template <class Lanes, Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyVector(const UnitFactors& f,
                            const typename Lanes::Bits* HWY_RESTRICT x,
                            size_t i, typename Lanes::Bits* HWY_RESTRICT values,
                            uint8_t* HWY_RESTRICT codes) {
  const Floats d;
  if constexpr (kWant == Want::kCodes) {
    const hn::Rebind<uint8_t, Words> d8;
    hn::StoreU(hn::TruncateTo(d8, CodesAt<Lanes, kRounding, kDivide>(f, x, i)),
               d8, codes + i);
  } else {
    const size_t unit = i / kUnit;
    const VF v = Lanes::Load(x + i);
    const VF r = QuantizeLanes<kRounding, kDivide>(
        v, hn::Set(d, f.factor[unit]), LoadRandom<kRounding>(f.random, i));
    const VF y = ValueOf(r, v, hn::Set(d, f.value_factor[unit]));
    if constexpr (kWant == Want::kStreamed) {
      hn::Stream(y, d, values + i);
    } else {
      Lanes::Store(y, values + i);
    }
  }
}

// A number a unit as lanes of the units that 2 * kLanes elements from i lie in.
HWY_INLINE VF SpreadToPairs(const float* of_units, size_t i) {
  const Floats d;
  const float* unit = of_units + i / kUnit;
#if HWY_MAX_BYTES >= 64
  const hn::Half<Floats> half;
  return hn::Combine(d, hn::Set(half, unit[1]), hn::Set(half, unit[0]));
#else
  return hn::Set(d, *unit);
#endif
}

// Elements i .. i + 2 * kLanes - 1 to values.
template <class Lanes, Rounding kRounding, bool kDivide>
HWY_INLINE void ApplyPairs(const UnitFactors& f, const uint16_t* HWY_RESTRICT x,
                           size_t i, uint16_t* HWY_RESTRICT values) {
  const VF factor = SpreadToPairs(f.factor, i);
  const VF value_factor = SpreadToPairs(f.value_factor, i);
  const auto apply = [&](VF v) HWY_ATTR {
    const VF r =
        QuantizeLanes<kRounding, kDivide>(v, factor, hn::Zero(Words()));
    return Lanes::Round(ValueOf(r, v, value_factor));
  };
  const VU pairs = Lanes::LoadPairs(x + i);
  Lanes::StorePairs(apply(Lanes::Even(pairs)), apply(Lanes::Odd(pairs)),
                    values + i);
}

// The elements of a chunk: values, or bytes of one or two codes.
template <class Lanes, Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyChunk(const UnitFactors& f,
                           const typename Lanes::Bits* HWY_RESTRICT x,
                           typename Lanes::Bits* HWY_RESTRICT values,
                           uint8_t* HWY_RESTRICT bytes) {
  // Four vectors at a time are independent work for the pipelines.
  for (size_t i = 0; i < kChunk; i += 4 * kLanes) {
    if constexpr (kWant == Want::kPacked) {
      for (const size_t j : {i, i + 2 * kLanes}) {
        StorePairs(CodesAt<Lanes, kRounding, kDivide>(f, x, j),
                   CodesAt<Lanes, kRounding, kDivide>(f, x, j + kLanes),
                   bytes + j / 2);
      }
    } else if constexpr (Lanes::kInPairs) {
      ApplyPairs<Lanes, kRounding, kDivide>(f, x, i, values);
      ApplyPairs<Lanes, kRounding, kDivide>(f, x, i + 2 * kLanes, values);
    } else {
      const auto apply = [&](size_t j) HWY_ATTR {
        ApplyVector<Lanes, kRounding, kDivide, kWant>(f, x, j, values, bytes);
      };
      apply(i);
      apply(i + kLanes);
      apply(i + 2 * kLanes);
      apply(i + 3 * kLanes);
    }
  }
}

HWY_INLINE RandomBits Advanced(const RandomBits& random, size_t n) {
  return {random.bytes == nullptr ? nullptr : random.bytes + n,
          random.words == nullptr ? nullptr : random.words + n};
}

template <class Lanes, Rounding kRounding, bool kDivide, Want kWant>
size_t Run(const KernelParams& params, size_t block_units,
           const typename Lanes::Bits* HWY_RESTRICT x, size_t chunks,
           const RandomBits& random, typename Lanes::Bits* HWY_RESTRICT values,
           const KernelOutput& output) {
  const size_t blocks = kUnits / block_units;  // Of a chunk.
  // Three chunks at a time: the elements of one while the scales of the next
  // and the amaxes of the one after it are found. Each is a chain of operations
  // that wait for one another; side by side they fill the pipelines.
  ChunkFactors buffers[3];
  size_t finite = 0;  // Chunks from the first on whose amaxes are found.
  const auto find_amaxes = [&](size_t c) HWY_ATTR {
    if (c < chunks && c == finite &&
        FindAmaxes<Lanes>(x + c * kChunk, buffers[c % 3])) {
      ++finite;
    }
  };
  const auto find_factors = [&](size_t c) HWY_ATTR {
    if (c < finite) FindFactors(params, block_units, buffers[c % 3]);
  };
  find_amaxes(0);
  find_factors(0);
  find_amaxes(1);
  for (size_t c = 0; c < finite; ++c) {
    find_factors(c + 1);
    find_amaxes(c + 2);
    const ChunkFactors& f = buffers[c % 3];
    const size_t at = c * kChunk;
    uint8_t* bytes = nullptr;
    if constexpr (kWant == Want::kCodes) bytes = output.codes + at;
    if constexpr (kWant == Want::kPacked) bytes = output.packed + at / 2;
    ApplyChunk<Lanes, kRounding, kDivide, kWant>(
        {f.factor, f.value_factor, Advanced(random, at)}, x + at,
        values == nullptr ? nullptr : values + at, bytes);
    StoreScales(f, block_units, c * blocks, output);
  }
  return finite;
}

size_t QuantizeChunksImpl(const KernelParams& params, size_t block_units,
                          const float* x, size_t chunks,
                          const RandomBits& random,
                          const KernelOutput& output) {
  const KernelScope scope;
  size_t done = 0;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    const auto run = [&](auto want) {
      constexpr Want kWant = decltype(want)::value;
      done = Run<Float32Lanes, kRounding, kDivide, kWant>(
          params, block_units, x, chunks, random, output.values, output);
    };
    if (output.packed != nullptr) {
      run(std::integral_constant<Want, Want::kPacked>());
    } else if (output.codes != nullptr) {
      run(std::integral_constant<Want, Want::kCodes>());
    } else if (CanStream(output)) {
      run(std::integral_constant<Want, Want::kStreamed>());
    } else {
      run(std::integral_constant<Want, Want::kValues>());
    }
  });
  return done;
}

void QuantizeUnitsImpl(const KernelParams& params, const float* x, size_t units,
                       const float* factors, const float* dequantize,
                       const RandomBits& random, const KernelOutput& output) {
  const KernelScope scope;
  const UnitFactors f{factors, dequantize, random};
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    const auto run = [&](auto want) HWY_ATTR {
      for (size_t i = 0; i < units * kUnit; i += kLanes) {
        ApplyVector<Float32Lanes, kRounding, kDivide, decltype(want)::value>(
            f, x, i, output.values, output.codes);
      }
    };
    if (output.codes != nullptr) {
      run(std::integral_constant<Want, Want::kCodes>());
    } else if (CanStream(output)) {
      run(std::integral_constant<Want, Want::kStreamed>());
    } else {
      run(std::integral_constant<Want, Want::kValues>());
    }
  });
}

template <class Lanes>
size_t QuantizeNarrowChunksImpl(const KernelParams& params, size_t block_units,
                                const uint16_t* x, size_t chunks, uint16_t* y) {
  size_t done = 0;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    if constexpr (kRounding == Rounding::kNearestEven ||
                  kRounding == Rounding::kTiesAway ||
                  kRounding == Rounding::kTiesToZero) {
      done = Run<Lanes, kRounding, kDivide, Want::kValues>(
          params, block_units, x, chunks, {}, y, {});
    }
  });
  return done;
}

size_t QuantizeHalfChunksImpl(const KernelParams& params, size_t block_units,
                              const uint16_t* x, size_t chunks, uint16_t* y) {
  const KernelScope scope;
  return QuantizeNarrowChunksImpl<HalfLanes>(params, block_units, x, chunks, y);
}

size_t QuantizeBfloat16ChunksImpl(const KernelParams& params,
                                  size_t block_units, const uint16_t* x,
                                  size_t chunks, uint16_t* y) {
  const KernelScope scope;
  // An E2M1 value times a power of two.
  if (HasPowerOfTwoScales(params.rule)) {
    return QuantizeNarrowChunksImpl<ExactBfloat16Lanes>(params, block_units, x,
                                                        chunks, y);
  }
  return QuantizeNarrowChunksImpl<Bfloat16Lanes>(params, block_units, x, chunks,
                                                 y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizeChunksImpl);
HWY_EXPORT(QuantizeUnitsImpl);
HWY_EXPORT(QuantizeHalfChunksImpl);
HWY_EXPORT(QuantizeBfloat16ChunksImpl);

size_t QuantizeChunks(const KernelParams& params, size_t block_units,
                      const float* x, size_t chunks, const RandomBits& random,
                      const KernelOutput& output) {
  return HWY_DYNAMIC_DISPATCH(QuantizeChunksImpl)(params, block_units, x,
                                                  chunks, random, output);
}

void QuantizeUnits(const KernelParams& params, const float* x, size_t units,
                   const float* factors, const float* dequantize,
                   const RandomBits& random, const KernelOutput& output) {
  HWY_DYNAMIC_DISPATCH(QuantizeUnitsImpl)
  (params, x, units, factors, dequantize, random, output);
}

size_t QuantizeHalfChunks(const KernelParams& params, size_t block_units,
                          const uint16_t* x, size_t chunks, uint16_t* y) {
  return HWY_DYNAMIC_DISPATCH(QuantizeHalfChunksImpl)(params, block_units, x,
                                                      chunks, y);
}

size_t QuantizeBfloat16Chunks(const KernelParams& params, size_t block_units,
                              const uint16_t* x, size_t chunks, uint16_t* y) {
  return HWY_DYNAMIC_DISPATCH(QuantizeBfloat16ChunksImpl)(params, block_units,
                                                          x, chunks, y);
}

void FlushStreams() { hwy::FlushStream(); }

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
