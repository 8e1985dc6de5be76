#ifndef QUANT_FORMATS_E2M1_ALIGNED_H_
#define QUANT_FORMATS_E2M1_ALIGNED_H_

// The roundings of e2m1.h and e2m1_rounding.h in about ten instructions, for
// GPUs: instead of comparing with each midpoint, a number is added whose last
// place is the spacing of the grid around m (an aligner, as fouroversix and
// FP-Quant's kernels do), so that the hardware's own rounding to nearest even
// does the work. Equal to the definitions for every float
// (e2m1_aligned_test.cc).
//
//   const AlignedE2m1 r = AlignNearest(scaled);
//   value = CopySign(r.magnitude, scaled);  code = r.code | E2m1SignBit(scaled)

#include <cstdint>

#include "quant/formats/e2m1.h"
#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

// A value of the grid, without its sign.
struct AlignedE2m1 {
  float magnitude = 0.0f;
  uint32_t code = 0;  // 0 .. 7.
};

CNN_FP4_HOST_DEVICE constexpr float E2m1CopySign(float magnitude, float sign) {
  return BitCast<float>(BitCast<uint32_t>(magnitude) |
                        (BitCast<uint32_t>(sign) & 0x80000000u));
}

// |x|, at most 6. x is not NaN.
CNN_FP4_HOST_DEVICE constexpr float E2m1Clamped(float x) {
  const float m = E2m1Abs(x);
  return m < kE2m1Max ? m : kE2m1Max;
}

// The exponent bits of the binade 2^e of 0 <= m <= 6, at least 1, in which the
// grid's spacing is 2^(e - 1). A value of it has the code 2 * e + value /
// spacing.
CNN_FP4_HOST_DEVICE constexpr uint32_t E2m1Exponent(float m) {
  return BitCast<uint32_t>(m > 1.0f ? m : 1.0f) >> 23;
}

// EncodeE2m1: nearest, ties to the even code, which is the even multiple of the
// spacing.
CNN_FP4_HOST_DEVICE constexpr AlignedE2m1 AlignNearest(float x) {
  const float m = E2m1Clamped(x);
  // 2^(e + 22), whose last place is the spacing, plus 2 * e spacings: the low
  // bits of the sum are the code.
  const float aligner = BitCast<float>(E2m1Exponent(m) * ((1u << 23) + 2u) +
                                       ((22u << 23) - 2u * 127u));
  const float sum = m + aligner;
  return {sum - aligner, BitCast<uint32_t>(sum) & 7u};
}

// The grid's value below 0 <= m <= 6, or m itself, and what is around it.
struct E2m1Floor {
  AlignedE2m1 low;
  float step = 0.0f;      // To the next value.
  float per_step = 0.0f;  // 2^32 / step.
};

CNN_FP4_HOST_DEVICE constexpr E2m1Floor E2m1FloorOf(float m) {
  const uint32_t exponent = E2m1Exponent(m) << 23;
  E2m1Floor f;
  f.step = BitCast<float>(exponent - (1u << 23));
  f.per_step = BitCast<float>(((127u + 127u + 33u) << 23) - exponent);
  // Without the code in its low bits: most callers want the value alone.
  const float aligner = BitCast<float>(exponent + (22u << 23));
#if defined(__CUDA_ARCH__)
  const float sum = __fadd_rz(m, aligner);
#else
  float sum = m + aligner;
  if (sum - aligner > m) sum -= f.step;
#endif
  f.low.magnitude = sum - aligner;
  f.low.code =
      (BitCast<uint32_t>(sum) & 7u) + ((exponent - (127u << 23)) >> 22);
  return f;
}

// The smallest whole number that is not below x, 0 <= x < 2^32.
CNN_FP4_HOST_DEVICE constexpr uint32_t E2m1Ceiling(float x) {
#if defined(__CUDA_ARCH__)
  return __float2uint_ru(x);
#else
  const uint32_t whole = static_cast<uint32_t>(x);
  return whole + (x > static_cast<float>(whole));
#endif
}

// EncodeE2m1Stochastic8: |x| + r/256 of a step, rounded down.
CNN_FP4_HOST_DEVICE constexpr AlignedE2m1 AlignStochastic8(float x,
                                                           uint32_t r) {
  const float m = E2m1Abs(x);
  const float step = m < 2.0f ? 0.5f : m < 4.0f ? 1.0f : 2.0f;
  return E2m1FloorOf(
             E2m1Clamped(m + static_cast<float>(r) * (1.0f / 256.0f) * step))
      .low;
}

// EncodeE2m1Stochastic: up where r is below the fraction of the way to the
// upper neighbour, times 2^32.
CNN_FP4_HOST_DEVICE constexpr AlignedE2m1 AlignStochastic(float x, uint32_t r) {
  const float m = E2m1Clamped(x);
  E2m1Floor f = E2m1FloorOf(m);
  // r is whole: below the fraction is below its ceiling.
  if (r < E2m1Ceiling((m - f.low.magnitude) * f.per_step)) {
    f.low.magnitude += f.step;
    ++f.low.code;
  }
  return f.low;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_E2M1_ALIGNED_H_
