#ifndef QUANT_FORMATS_E2M1_ROUNDING_H_
#define QUANT_FORMATS_E2M1_ROUNDING_H_

// The other roundings onto the E2M1 grid (quant/formats/e2m1.h). All saturate
// at 6 and keep the sign; x is not NaN. None moves a representable value.

#include <cstdint>

#include "quant/formats/e2m1.h"
#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

// Nearest, ties away from zero (microxcaling's default).
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE2m1TiesAway(float x) {
  const float m = E2m1Abs(x);
  const int code = (m >= 0.25f) + (m >= 0.75f) + (m >= 1.25f) + (m >= 1.75f) +
                   (m >= 2.5f) + (m >= 3.5f) + (m >= 5.0f);
  return static_cast<uint8_t>(code | E2m1SignBit(x));
}

// Nearest, ties towards zero (llama.cpp, FP-Quant's kernels).
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE2m1TiesToZero(float x) {
  const float m = E2m1Abs(x);
  const int code = (m > 0.25f) + (m > 0.75f) + (m > 1.25f) + (m > 1.75f) +
                   (m > 2.5f) + (m > 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(code | E2m1SignBit(x));
}

// The largest code whose magnitude is at most m >= 0.
CNN_FP4_HOST_DEVICE constexpr uint8_t E2m1FloorCode(float m) {
  return static_cast<uint8_t>((m >= 0.5f) + (m >= 1.0f) + (m >= 1.5f) +
                              (m >= 2.0f) + (m >= 3.0f) + (m >= 4.0f) +
                              (m >= 6.0f));
}

// Spacing of the grid above m >= 0: .5 below 2, 1 below 4, else 2.
CNN_FP4_HOST_DEVICE constexpr float E2m1Step(float m) {
  return m < 2.0f ? 0.5f : m < 4.0f ? 1.0f : 2.0f;
}

// Stochastic with the 8 random bits r, as TransformerEngine's software path:
// t = |x| + (r/256) * step(|x|), rounded down to the grid. r/256 * step is
// exact, hence one rounding with or without a fused multiply-add. The
// probability of going up is that of the real number, rounded to 1/256, mostly
// down.
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE2m1Stochastic8(float x,
                                                            uint8_t r) {
  const float m = E2m1Abs(x);
  const float t = m + static_cast<float>(r) * (1.0f / 256.0f) * E2m1Step(m);
  return static_cast<uint8_t>(E2m1FloorCode(t) | E2m1SignBit(x));
}

// Stochastic with the 32 random bits r: up when r < f * 2^32, where f is the
// distance from the lower neighbour in steps. f * 2^32 is exact in FP32; it is
// compared as its whole part, which 32 bits hold, and the rest.
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeE2m1Stochastic(float x,
                                                           uint32_t r) {
  const float m = E2m1Abs(x);
  const uint8_t low = E2m1FloorCode(m);
  if (low == 7) return static_cast<uint8_t>(7 | E2m1SignBit(x));
  // 2^32 / step.
  const float steps = m < 2.0f ? 0x1p33f : m < 4.0f ? 0x1p32f : 0x1p31f;
  const float bound = (m - DecodeE2m1(low)) * steps;
  const uint32_t whole = static_cast<uint32_t>(bound);
  const bool up =
      r < whole || (r == whole && bound > static_cast<float>(whole));
  return static_cast<uint8_t>((low + up) | E2m1SignBit(x));
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_E2M1_ROUNDING_H_
