#ifndef QUANT_CUDA_BLOCK_H_
#define QUANT_CUDA_BLOCK_H_

// What every kernel does with a block: its amax, its scale and what follows
// from it, where the scale goes, and the rotation. Host and device, as tile.h.

#include <cstdint>

#include "quant/cuda/elements.h"
#include "quant/cuda/quantize_args.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/host_device.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cuda {

inline constexpr int kWarp = 32;
// A magnitude's bits from here on are those of an infinity or a NaN.
inline constexpr uint32_t kInfinityBits = 0x7F800000u;
inline constexpr uint32_t kNanBits = 0x7FFFFFFFu;

// The larger magnitude, NaN before all, as bits.
CNN_FP4_HOST_DEVICE inline uint32_t LargerMagnitude(uint32_t bits, float x) {
#if defined(__CUDA_ARCH__)
  float larger;
  asm("max.NaN.f32 %0, %1, %2;"
      : "=f"(larger)
      : "f"(BitCast<float>(bits)), "f"(E2m1Abs(x)));
  return BitCast<uint32_t>(larger);
#else
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (magnitude > kInfinityBits || bits > kInfinityBits) return kNanBits;
  return magnitude > bits ? magnitude : bits;
#endif
}

// The largest finite magnitude.
CNN_FP4_HOST_DEVICE inline uint32_t LargerFinite(uint32_t bits, float x) {
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  return magnitude < kInfinityBits && magnitude > bits ? magnitude : bits;
}

// The largest finite magnitude of kCount elements and `amax`.
template <int kCount>
CNN_FP4_HOST_DEVICE inline uint32_t LargestFinite(uint32_t amax,
                                                  const float* v) {
  uint32_t all = amax;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) all = LargerMagnitude(all, v[i]);
  if (all < kInfinityBits) return all;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) amax = LargerFinite(amax, v[i]);
  return amax;
}

// PackedTensor::tensor_scales[row].
CNN_FP4_HOST_DEVICE inline void StoreTensorScale(const QuantizeArgs& a,
                                                 int64_t row) {
  if (a.tensor_scales != nullptr) {
    a.tensor_scales[row] = a.FactorsOfRow(row).decode;
  }
}

// NonFinitePolicy::kSaturate.
CNN_FP4_HOST_DEVICE inline float Saturated(float x) {
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (magnitude > kInfinityBits) return 0.0f;
  return Limited(x, kFloatMax);
}

template <int kCount>
CNN_FP4_HOST_DEVICE inline void SaturateAll(float* v) {
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) v[i] = Saturated(v[i]);
}

// Element i of what is quantised, as it came.
CNN_FP4_HOST_DEVICE inline float LoadSource(const QuantizeArgs& a, int64_t i) {
  if (a.window.width == 0) return LoadElement(a.in, a.x, i);
  const Window::At at = a.window.at(i);
  return at.IsIn(a.window.width)
             ? LoadElement(a.in, a.x, at.row_begin + at.column)
             : 0.0f;
}

// Kernel::kAmax, one element.
CNN_FP4_HOST_DEVICE inline uint32_t LargerOfElement(const QuantizeArgs& a,
                                                    uint32_t amax, int64_t i) {
  const float x = LoadElement(a.in, a.x, i);
  return LargerFinite(amax, a.saturate ? Saturated(x) : x);
}

// Of a block that holds a NaN or an infinity.
CNN_FP4_HOST_DEVICE inline BlockFactors NonFiniteFactors(
    const QuantizeArgs& a) {
  if (a.nonfinite != nullptr) *a.nonfinite = 1;
  BlockFactors f;
  f.code = a.scale_format == ScaleFormat::kE8m0 ? kE8m0Nan : kE4m3Nan;
  f.factor = 1.0f;
  f.stored = BitCast<float>(uint32_t{0x7FC00000});
  f.dequantize = f.stored;
  return f;
}

// What a kernel is compiled for. Everything at once is long and slow; the rules
// and roundings of training have kernels of their own.
struct EveryRule {
  static constexpr bool kNearest = true;
  static constexpr bool kTies = true;
  static constexpr bool kStochastic = true;
  static constexpr bool kAllRules = true;
};
struct NearestOnly {
  static constexpr bool kNearest = true;
  static constexpr bool kTies = false;
  static constexpr bool kStochastic = false;
  static constexpr bool kAllRules = false;
};
struct StochasticOnly {
  static constexpr bool kNearest = false;
  static constexpr bool kTies = false;
  static constexpr bool kStochastic = true;
  static constexpr bool kAllRules = false;
};

// The rules of NearestOnly and StochasticOnly.
CNN_FP4_HOST_DEVICE constexpr bool IsTrainingRule(ScaleRule rule) {
  return rule == ScaleRule::kTransformerEngine || HasPowerOfTwoScales(rule);
}

// TensorFactors and what is derived from them for all blocks: a division takes
// a GPU ten instructions.
struct Factors {
  TensorFactors t;
  float encode_unit = 0.0f;  // S / M: a block's amax times it is its scale.
  float decode_unit = 0.0f;  // 1 / S.
};

CNN_FP4_HOST_DEVICE inline Factors FactorsOf(const TensorFactors& t) {
  return {t, t.encode * (1.0f / t.element_max), 1.0f / t.encode};
}

// quant::E8m0ScaleCode without a division where a / 6 is a normal number: a / 6
// is 1.m / 1.5 times 2^(e - 2).
CNN_FP4_HOST_DEVICE constexpr uint8_t FastE8m0ScaleCode(ScaleRule rule,
                                                        float a) {
  const uint32_t bits = BitCast<uint32_t>(a);
  if (rule == ScaleRule::kPow2RoundUp && bits >= 0x02000000u) {
    return static_cast<uint8_t>((bits >> 23) - 2 +
                                ((bits & 0x007FFFFFu) > 0x00400000u));
  }
  return E8m0ScaleCode(rule, a);
}

// The factors of a block from its amax as bits, for rules that look at no
// element: MakeBlockFactors.
template <class Compiled>
CNN_FP4_HOST_DEVICE inline BlockFactors FactorsOfAmax(const QuantizeArgs& a,
                                                      const Factors& factors,
                                                      uint32_t bits) {
  if (bits >= kInfinityBits) return NonFiniteFactors(a);
  const TensorFactors& t = factors.t;
  const float amax = BitCast<float>(bits);
  if constexpr (Compiled::kAllRules) return MakeBlockFactors(a.rule, t, amax);
  BlockFactors f;
  if (HasPowerOfTwoScales(a.rule)) {
    f.code = MinCode(FastE8m0ScaleCode(a.rule, amax), t.e8m0_max);
    f.stored = DecodeE8m0(f.code);
    f.factor = DecodeE8m0Reciprocal(f.code);
    f.dequantize = f.stored;
    return f;
  }
  f.code = EncodeScale(MinFloat(amax * factors.encode_unit, kFloatMax));
  f.stored = DecodeScale(f.code);
  f.factor = f.stored == 0.0f
                 ? 0.0f
                 : MinFloat(1.0f / (f.stored * factors.decode_unit), kFloatMax);
  f.dequantize = f.stored * t.decode;
  return f;
}

// What an element is multiplied by (divided, by rules that do) before it is
// rounded, and after. v[0 .. n), a block's elements, are made zero where they
// have no code: a NaN's factors make NaN of zero codes.
struct BlockScale {
  float factor = 0.0f;
  float value = 0.0f;  // Of what is written: for operands the stored scale.
  float dequantize = 0.0f;  // Of what statistics compare with.
};
CNN_FP4_HOST_DEVICE inline BlockScale ScaleOf(const QuantizeArgs& a,
                                              const BlockFactors& f) {
  return {f.factor, a.operand ? f.stored : f.dequantize, f.dequantize};
}
template <int kCount>
CNN_FP4_HOST_DEVICE inline void ZeroIfNan(const BlockFactors& f, float* v) {
  if (f.stored == f.stored) return;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) v[i] = 0.0f;
}

// Where the scale of a block lies. Swizzled scales are a matrix with a row for
// each row of blocks.
CNN_FP4_HOST_DEVICE inline int64_t ScaleIndex(const QuantizeArgs& a,
                                              int64_t block) {
  if (!a.swizzled) return block;
  const int64_t cols = a.grid.col_blocks();
  const Divisor::Result at = a.grid.by_col_blocks.Divide(block);
  const int64_t r = at.quotient;
  const int64_t c = at.remainder;
  return (r / 128 * ((cols + 3) / 4) + c / 4) * 512 + r % 32 * 16 +
         r % 128 / 32 * 4 + c % 4;
}

CNN_FP4_HOST_DEVICE inline void StoreScale(const QuantizeArgs& a, int64_t block,
                                           const BlockFactors& f) {
  if (a.scales != nullptr) a.scales[ScaleIndex(a, block)] = f.code;
  if (a.scales_float32 != nullptr) a.scales_float32[block] = f.stored;
}

// The butterflies between elements of one lane, at distances below kCount.
template <int kCount>
CNN_FP4_HOST_DEVICE inline void ButterfliesWithin(float* v) {
  CNN_FP4_UNROLL
  for (int distance = 1; distance < kCount; distance *= 2) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if ((i & distance) != 0) continue;
      const float low = v[i];
      const float high = v[i + distance];
      v[i] = low + high;
      v[i + distance] = low - high;
    }
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_BLOCK_H_
