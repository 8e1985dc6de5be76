#ifndef QUANT_FORMATS_E2M1_H_
#define QUANT_FORMATS_E2M1_H_

// OCP FP4 E2M1: sign, two exponent bits (bias 1), one mantissa bit; no infinity
// and no NaN.
//
//   code   0   1   2   3   4   5   6   7      8..15: the same, negative
//   value  0  .5   1  1.5  2   3   4   6      8 is -0
//
// A code is in the low four bits of a byte. NaN has no code: callers handle it
// before encoding (quant/quantizer.h has the policies). Oracle of the nearest
// even encoder: __nv_cvt_float_to_fp4 of cuda_fp4.h, all 2^32 floats but NaN.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

inline constexpr float kE2m1Max = 6.0f;
// Distance of 0 and its neighbour, 0.5: the subnormal step.
inline constexpr float kE2m1MinPositive = 0.5f;

// The value of the low four bits; exact.
CNN_FP4_HOST_DEVICE constexpr float DecodeE2m1(uint8_t code) {
  const uint32_t magnitude = code & 7u;
  // From code 2 on, exponent and mantissa lie as in FP32, 126 << 1 lower.
  const uint32_t bits =
      magnitude < 2 ? magnitude * 0x3F000000u : (magnitude + 252u) << 22;
  return BitCast<float>(bits | (uint32_t{code} & 8u) << 28);
}

// 8 if the sign bit of x is set (also that of -0), else 0.
CNN_FP4_HOST_DEVICE constexpr uint8_t E2m1SignBit(float x) {
  return static_cast<uint8_t>(BitCast<uint32_t>(x) >> 31 << 3);
}

// |x|, also in constant expressions.
CNN_FP4_HOST_DEVICE constexpr float E2m1Abs(float x) {
#if defined(__CUDA_ARCH__)
  return fabsf(x);  // No instruction of its own.
#endif
  return BitCast<float>(BitCast<uint32_t>(x) & 0x7FFFFFFFu);
}

// Nearest, ties to the even code, saturating at 6; the sign is kept, also of
// values that round to zero. x is not NaN (NaN gives a zero code).
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE2m1(float x) {
  const float m = E2m1Abs(x);
  // Each midpoint belongs to the even neighbour: > below an even code, >= above
  // an odd one.
  const int code = (m > 0.25f) + (m >= 0.75f) + (m > 1.25f) + (m >= 1.75f) +
                   (m > 2.5f) + (m >= 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(code | E2m1SignBit(x));
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_E2M1_H_
