// QuantizeChunks and QuantizeUnits of quant/cpu/kernels.h: FP32 blocks along
// contiguous memory.

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
#include "quant/cpu/chunk_factors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

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

template <Rounding kRounding, bool kDivide>
HWY_INLINE VU CodesAt(const UnitFactors& f, const float* x, size_t i) {
  return EncodeLanes<kRounding, kDivide>(hn::LoadU(Floats(), x + i),
                                         hn::Set(Floats(), f.factor[i / kUnit]),
                                         LoadRandom<kRounding>(f.random, i));
}

// The values of elements i .. i + kLanes - 1.
template <Rounding kRounding, bool kDivide>
HWY_INLINE VF ValuesAt(const UnitFactors& f, const float* x, size_t i) {
  const Floats d;
  const size_t unit = i / kUnit;
  const VF v = hn::LoadU(d, x + i);
  const VF r = QuantizeLanes<kRounding, kDivide>(
      v, hn::Set(d, f.factor[unit]), LoadRandom<kRounding>(f.random, i));
  return ValueOf(r, v, hn::Set(d, f.value_factor[unit]));
}

template <Want kWant>
HWY_INLINE void StoreValues(VF y, float* to) {
  if constexpr (kWant == Want::kStreamed) {
    hn::Stream(y, Floats(), to);
  } else {
    hn::StoreU(y, Floats(), to);
  }
}

HWY_INLINE void StoreCodes(VU codes, uint8_t* to) {
  const hn::Rebind<uint8_t, Words> d8;
  hn::StoreU(hn::TruncateTo(d8, codes), d8, to);
}

// Elements i .. i + kLanes - 1 to values, which may be x, or to codes, one a
// byte.
template <Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyVector(const UnitFactors& f, const float* x, size_t i,
                            float* values, uint8_t* codes) {
  if constexpr (kWant == Want::kCodes) {
    StoreCodes(CodesAt<kRounding, kDivide>(f, x, i), codes + i);
  } else {
    StoreValues<kWant>(ValuesAt<kRounding, kDivide>(f, x, i), values + i);
  }
}

// The elements of a chunk: values, which may be x, or bytes of one or two
// codes. Four vectors at a time are independent work for the pipelines: all are
// loaded before the first is stored.
template <Rounding kRounding, bool kDivide, Want kWant>
HWY_INLINE void ApplyChunk(const UnitFactors& f, const float* x, float* values,
                           uint8_t* bytes) {
  for (size_t i = 0; i < kChunk; i += 4 * kLanes) {
    if constexpr (kWant == Want::kPacked) {
      for (const size_t j : {i, i + 2 * kLanes}) {
        StorePairs(CodesAt<kRounding, kDivide>(f, x, j),
                   CodesAt<kRounding, kDivide>(f, x, j + kLanes),
                   bytes + j / 2);
      }
    } else if constexpr (kWant == Want::kCodes) {
      for (size_t j = i; j < i + 4 * kLanes; j += kLanes) {
        StoreCodes(CodesAt<kRounding, kDivide>(f, x, j), bytes + j);
      }
    } else {
      const VF y0 = ValuesAt<kRounding, kDivide>(f, x, i);
      const VF y1 = ValuesAt<kRounding, kDivide>(f, x, i + kLanes);
      const VF y2 = ValuesAt<kRounding, kDivide>(f, x, i + 2 * kLanes);
      const VF y3 = ValuesAt<kRounding, kDivide>(f, x, i + 3 * kLanes);
      StoreValues<kWant>(y0, values + i);
      StoreValues<kWant>(y1, values + i + kLanes);
      StoreValues<kWant>(y2, values + i + 2 * kLanes);
      StoreValues<kWant>(y3, values + i + 3 * kLanes);
    }
  }
}

HWY_INLINE RandomBits Advanced(const RandomBits& random, size_t n) {
  return {random.bytes == nullptr ? nullptr : random.bytes + n,
          random.words == nullptr ? nullptr : random.words + n};
}

template <Rounding kRounding, bool kDivide, Want kWant>
size_t Run(const KernelParams& params, size_t block_units, const float* x,
           size_t chunks, const RandomBits& random,
           const KernelOutput& output) {
  const bool scales =
      output.scale_codes != nullptr || output.stored_scales != nullptr;
  const size_t blocks = kUnits / block_units;  // Of a chunk.
  return ForEachChunk(
      params, block_units, x, chunks,
      [&](const ChunkFactors& f, size_t c) HWY_ATTR {
        const size_t at = c * kChunk;
        float* values = output.values == nullptr ? nullptr : output.values + at;
        uint8_t* bytes = nullptr;
        if constexpr (kWant == Want::kCodes) bytes = output.codes + at;
        if constexpr (kWant == Want::kPacked) bytes = output.packed + at / 2;
        ApplyChunk<kRounding, kDivide, kWant>(
            {f.factor, f.value_factor, Advanced(random, at)}, x + at, values,
            bytes);
        if (scales) StoreScales(f, block_units, c * blocks, output);
        return true;
      });
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
      done = Run<kRounding, kDivide, kWant>(params, block_units, x, chunks,
                                            random, output);
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
        ApplyVector<kRounding, kDivide, decltype(want)::value>(
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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizeChunksImpl);
HWY_EXPORT(QuantizeUnitsImpl);

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

void FlushStreams() { hwy::FlushStream(); }

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
