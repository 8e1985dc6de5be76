#ifndef QUANT_FORMATS_E4M3_H_
#define QUANT_FORMATS_E4M3_H_

// OCP FP8 E4M3 ("fn"): sign, four exponent bits (bias 7), three mantissa bits.
// Largest 448 (0x7E), smallest normal 2^-6 (0x08), smallest subnormal 2^-9
// (0x01); no infinity; NaN is 0x7F and 0xFF. Oracle of the encoder:
// __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3) of cuda_fp8.h, all 2^32
// floats.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

inline constexpr float kE4m3Max = 448.0f;
inline constexpr float kE4m3MinNormal = 0.015625f;       // 2^-6
inline constexpr float kE4m3MinPositive = 0.001953125f;  // 2^-9
inline constexpr uint8_t kE4m3Nan = 0x7F;

// The value of a code; exact. 0x7F and 0xFF give NaN.
CNN_FP4_HOST_DEVICE constexpr float DecodeE4m3(uint8_t code) {
  const uint32_t magnitude = code & 0x7Fu;
  const uint32_t sign = (uint32_t{code} & 0x80u) << 24;
  if (magnitude == kE4m3Nan) return BitCast<float>(sign | 0x7FC00000u);
  if (magnitude < 8) {
    const float value = static_cast<float>(magnitude) * kE4m3MinPositive;
    return BitCast<float>(sign | BitCast<uint32_t>(value));
  }
  return BitCast<float>(sign | ((magnitude + (120u << 3)) << 20));
}

// Nearest, ties to the even code, saturating at +-448 (infinities too); NaN
// becomes 0x7F. -0 and negative values that round to zero become 0x80.
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE4m3(float x) {
  const uint32_t bits = BitCast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const uint32_t sign = bits >> 31 << 7;
  if (magnitude > 0x7F800000u) return kE4m3Nan;
  if (magnitude >= 0x43E00000u) return static_cast<uint8_t>(sign | 0x7Eu);
  if (magnitude < 0x3C800000u) {
    // Below 2^-6: multiples of 2^-9. Adding 2^14, whose last place is 2^-9,
    // rounds to them; the sum's low bits are the code.
    const float sum = BitCast<float>(magnitude) + 16384.0f;
    return static_cast<uint8_t>(sign | (BitCast<uint32_t>(sum) - 0x46800000u));
  }
  // Nearest even of the low 20 bits; a carry moves on into the exponent.
  const uint32_t rounded = magnitude + 0x7FFFFu + (magnitude >> 20 & 1u);
  return static_cast<uint8_t>(sign | ((rounded >> 20) - (120u << 3)));
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_E4M3_H_
