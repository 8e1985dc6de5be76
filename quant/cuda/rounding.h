#ifndef QUANT_CUDA_ROUNDING_H_
#define QUANT_CUDA_ROUNDING_H_

// Elements of a block to FP4: random bits, the roundings, and the neighbours
// that are written at once. Host and device, as tile.h.

#include <cstdint>
#include <type_traits>

#include "quant/cuda/block.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/pairs.h"
#include "quant/cuda/quantize_args.h"
#include "quant/formats/e2m1_aligned.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/host_device.h"
#include "quant/philox.h"

namespace cnn_fp4::quant::cuda {

// The random bits of kCount successive elements, 2, 4 or 8; bytes for
// kStochastic8.
template <int kCount>
CNN_FP4_HOST_DEVICE inline void RandomBits(const QuantizeArgs& a, uint64_t step,
                                           uint64_t index, uint32_t* random) {
  if (index % kCount != 0) {
    // Bits of a call are not at hand: one call for each element.
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      random[i] = a.rounding == Rounding::kStochastic8
                      ? RandomByte(index + i, a.key, step)
                      : RandomWord(index + i, a.key, step);
    }
    return;
  }
  if (a.rounding == Rounding::kStochastic8) {
    const PhiloxBlock b = PhiloxAt(index / 16, a.key, step);
    const bool high = (index & 8) != 0;
    // No index that is known at run time only: that would need memory.
    const uint32_t even = high ? b.words[2] : b.words[0];
    const uint32_t odd = high ? b.words[3] : b.words[1];
    const uint32_t first = (index & 4) != 0 ? odd : even;
    const uint32_t shift = kCount == 2 ? 8 * (index & 2) : 0;
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const uint32_t word = i < 4 ? first : odd;
      random[i] = word >> (shift + 8 * (i % 4)) & 0xFFu;
    }
    return;
  }
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; i += 4) {
    const PhiloxBlock b = PhiloxAt((index + i) / 4, a.key, step);
    if constexpr (kCount == 2) {
      const bool high = (index & 2) != 0;
      random[0] = high ? b.words[2] : b.words[0];
      random[1] = high ? b.words[3] : b.words[1];
    } else {
      CNN_FP4_UNROLL
      for (int j = 0; j < 4; ++j) random[i + j] = b.words[j];
    }
  }
}

// The rounding of a scaled element by its definition, for the rarer ones.
CNN_FP4_HOST_DEVICE inline AlignedE2m1 RoundByDefinition(Rounding rounding,
                                                         float scaled) {
  const uint8_t code =
      (rounding == Rounding::kTiesAway ? EncodeE2m1TiesAway(scaled)
                                       : EncodeE2m1TiesToZero(scaled)) &
      7;
  return {DecodeE2m1(code), code};
}

// Rounds the scaled elements s[0 .. kCount) and hands each to
// emit(i, AlignedE2m1).
template <class Compiled, int kCount, class Emit>
CNN_FP4_HOST_DEVICE inline void RoundAll(const QuantizeArgs& a, uint64_t step,
                                         uint64_t index, const float* s,
                                         const Emit& emit) {
  if constexpr (Compiled::kNearest) {
    if (!Compiled::kStochastic || a.rounding == Rounding::kNearestEven) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) emit(i, AlignNearest(s[i]));
      return;
    }
  }
  if constexpr (Compiled::kTies) {
    if (!IsStochastic(a.rounding)) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, RoundByDefinition(a.rounding, s[i]));
      }
      return;
    }
  }
  if constexpr (Compiled::kStochastic) {
    uint32_t random[kCount];
    RandomBits<kCount>(a, step, index, random);
    if (a.rounding == Rounding::kStochastic8) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, AlignStochastic8(s[i], random[i]));
      }
    } else {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, AlignStochastic(s[i], random[i]));
      }
    }
  }
}

// Eight codes of four bits from the scaled elements, by the instruction of
// Blackwell, whose rounding is AlignNearest's.
#if defined(__CUDA_ARCH_FEAT_SM100_ALL)
#define CNN_FP4_HAS_CVT_E2M1 1
template <int kCount>
__device__ inline uint32_t NearestCodes(const float* s) {
  uint32_t codes = 0;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; i += 2) {
    uint32_t pair;
    asm("{\n"
        ".reg .b8 byte;\n"
        "cvt.rn.satfinite.e2m1x2.f32 byte, %1, %2;\n"
        "cvt.u32.u8 %0, byte;\n"
        "}"
        : "=r"(pair)
        : "f"(s[i + 1]), "f"(s[i]));
    codes |= pair << (4 * i);
  }
  return codes;
}
#endif

// Quantises kCount neighbours in memory, 2, 4 or 8, of one block or (kEach)
// each with its own factors, and writes them as values of type Out or as codes
// to element `offset`, which is aligned to them; `pairs` are told of them. v is
// overwritten, and holds no NaN: ZeroIfNan.
template <class Compiled, class Out, int kCount, bool kEach, class Pairs>
CNN_FP4_HOST_DEVICE inline void QuantizeAndStore(const QuantizeArgs& a,
                                                 uint64_t step, int64_t offset,
                                                 const BlockScale* factors,
                                                 float* v, Pairs& pairs) {
  [[maybe_unused]] float x[kCount];
  if constexpr (Pairs::kWanted) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) x[i] = v[i];
  }
  const uint64_t index = a.first_element + static_cast<uint64_t>(offset);
  if (Compiled::kAllRules && DividesElements(a.rule)) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      v[i] = v[i] / factors[kEach ? i : 0].factor;
    }
  } else {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i)
      v[i] = v[i] * factors[kEach ? i : 0].factor;
  }
  if constexpr (std::is_same<Out, Packed>::value) {
    uint32_t codes = 0;
#if defined(CNN_FP4_HAS_CVT_E2M1)
    if (!Pairs::kWanted && Compiled::kNearest &&
        a.rounding == Rounding::kNearestEven) {
      StoreCodes<kCount>(NearestCodes<kCount>(v), a.codes, offset);
      return;
    }
#endif
    RoundAll<Compiled, kCount>(
        a, step, index, v, [&](int i, const AlignedE2m1& r) {
          // The sign of v[i] to bit 3 of its nibble.
          const uint32_t sign = BitCast<uint32_t>(v[i]) >> 28 & ~7u;
          codes += (r.code | sign) << (4 * i);
          if constexpr (Pairs::kWanted) {
            pairs.Add(x[i],
                      E2m1CopySign(r.magnitude, v[i]) *
                          factors[kEach ? i : 0].dequantize,
                      r.code | sign);
          }
        });
    StoreCodes<kCount>(codes, a.codes, offset);
  } else {
    RoundAll<Compiled, kCount>(
        a, step, index, v, [&](int i, const AlignedE2m1& r) {
          const float q = E2m1CopySign(r.magnitude, v[i]);
          if constexpr (Pairs::kWanted) {
            pairs.Add(x[i], q * factors[kEach ? i : 0].dequantize,
                      r.code | (BitCast<uint32_t>(q) >> 28 & ~7u));
          }
          v[i] = q * factors[kEach ? i : 0].value;
        });
    if constexpr (Out::kDType != DType::kFloat32) {
      if (a.saturate) {
        CNN_FP4_UNROLL
        for (int i = 0; i < kCount; ++i) v[i] = Limited(v[i], Out::kLargest);
      }
    }
    StoreElements<Out, kCount>(v, a.values, offset);
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_ROUNDING_H_
