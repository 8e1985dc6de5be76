#ifndef QUANT_FORMATS_FLOAT16_H_
#define QUANT_FORMATS_FLOAT16_H_

// IEEE FP16 (5 exponent bits, 10 mantissa bits) and BF16 (8, 7) as bits.
// Encoding is to nearest even and overflows to infinity, as hardware does; NaN
// becomes a quiet NaN with the leading payload bits. Decoding is exact; a NaN
// comes out quiet.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

CNN_FP4_HOST_DEVICE constexpr uint16_t EncodeBfloat16(float x) {
  const uint32_t bits = BitCast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<uint16_t>(bits >> 16 | 0x40u);
  }
  return static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

CNN_FP4_HOST_DEVICE constexpr float DecodeBfloat16(uint16_t bits) {
  const uint32_t quiet = (bits & 0x7FFFu) > 0x7F80u ? 0x00400000u : 0u;
  return BitCast<float>(uint32_t{bits} << 16 | quiet);
}

CNN_FP4_HOST_DEVICE constexpr uint16_t EncodeHalf(float x) {
  const uint32_t bits = BitCast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const uint32_t sign = bits >> 31 << 15;
  if (magnitude > 0x7F800000u) {
    return static_cast<uint16_t>(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
  }
  // 65520, half way from the largest to what would follow.
  if (magnitude >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);
  if (magnitude < 0x38800000u) {
    // Below 2^-14: multiples of 2^-24, the last place of 0.5.
    const float sum = BitCast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (BitCast<uint32_t>(sum) - 0x3F000000u));
  }
  const uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

CNN_FP4_HOST_DEVICE constexpr float DecodeHalf(uint16_t bits) {
  const uint32_t sign = (uint32_t{bits} & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7FFFu;
  if (magnitude > 0x7C00u) {
    return BitCast<float>(sign | 0x7FC00000u | (magnitude & 0x3FFu) << 13);
  }
  if (magnitude == 0x7C00u) return BitCast<float>(sign | 0x7F800000u);
  if (magnitude < 0x400u) {
    // Multiples of 2^-24.
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-8f;
    return BitCast<float>(sign | BitCast<uint32_t>(value));
  }
  return BitCast<float>(sign | ((magnitude + (112u << 10)) << 13));
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_FLOAT16_H_
