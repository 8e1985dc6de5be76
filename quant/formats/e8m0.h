#ifndef QUANT_FORMATS_E8M0_H_
#define QUANT_FORMATS_E8M0_H_

// OCP E8M0, the scale format of MX: code b is 2^(b - 127) for b = 0..254; 255
// is NaN. There is no zero: b = 0 is 2^-127, a subnormal FP32 number.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

inline constexpr uint8_t kE8m0Max = 254;
inline constexpr uint8_t kE8m0Nan = 255;
// 2^125: the largest scale whose product with every E2M1 value is finite.
inline constexpr uint8_t kE8m0MaxFiniteProduct = 252;

// 2^(code - 127), exact; NaN for 255.
CNN_FP4_HOST_DEVICE constexpr float DecodeE8m0(uint8_t code) {
  if (code == 0) return BitCast<float>(uint32_t{0x00400000});
  if (code == kE8m0Nan) return BitCast<float>(uint32_t{0x7FC00000});
  return BitCast<float>(uint32_t{code} << 23);
}

// 2^(127 - code): the exact reciprocal, for code <= 254.
CNN_FP4_HOST_DEVICE constexpr float DecodeE8m0Reciprocal(uint8_t code) {
  return DecodeE8m0(static_cast<uint8_t>(254 - code));
}

// The smallest power of two that is not below |x|: 0 gives code 0, values above
// 2^127 and infinity give 254, NaN gives 255. As
// __nv_cvt_float_to_e8m0(x, __NV_SATFINITE, cudaRoundPosInf).
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE8m0RoundUp(float x) {
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return kE8m0Nan;
  if (magnitude <= 0x00400000u) return 0;
  // A subnormal above 2^-127 needs code 1, as 2^-126 does.
  if (magnitude <= 0x00800000u) return 1;
  const uint32_t code = (magnitude + 0x7FFFFFu) >> 23;
  return static_cast<uint8_t>(code > kE8m0Max ? kE8m0Max : code);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_E8M0_H_
