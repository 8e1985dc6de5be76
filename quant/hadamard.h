#ifndef QUANT_HADAMARD_H_
#define QUANT_HADAMARD_H_

// The random Hadamard transform of 16 elements: y = (x * diag(s)) * H16 / 4,
// H16 in Sylvester order, s a vector of signs. It spreads an outlier over its
// group before quantisation. H16 / 4 is orthogonal, so the product of two
// operands that were rotated with the same s is that of the originals.
//
// FP32, in this order, which is part of the contract: the signs, then four
// butterfly stages (u, v) -> (u + v, u - v) at distances 1, 2, 4 and 8, then
// the factor 1/4, which is exact but for underflow.

#include <cstdint>

#include "quant/formats/host_device.h"
#include "quant/philox.h"

namespace cnn_fp4::quant {

inline constexpr int kHadamardSize = 16;

// Largest error of an element of the transform, or of its inverse, in units of
// FP32's epsilon times a quarter of the group's L1 norm: each of four stages
// rounds by half an epsilon.
inline constexpr double kHadamardTolerance = 2.0;

// Signs as a mask: bit i set means s[i] = -1. This is TransformerEngine's
// [1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1].
inline constexpr uint16_t kDefaultHadamardSigns = 0xD7E8;

// Signs drawn from Philox block 0 of the key.
CNN_FP4_HOST_DEVICE constexpr uint16_t DrawHadamardSigns(PhiloxKey key) {
  return static_cast<uint16_t>(PhiloxAt(0, key).words[0]);
}

// x <- x * H16 / 4, in place.
CNN_FP4_HOST_DEVICE constexpr void Hadamard16(float* x) {
  for (int distance = 1; distance < kHadamardSize; distance *= 2) {
    for (int i = 0; i < kHadamardSize; ++i) {
      if ((i & distance) != 0) continue;
      const float u = x[i];
      const float v = x[i + distance];
      x[i] = u + v;
      x[i + distance] = u - v;
    }
  }
  for (int i = 0; i < kHadamardSize; ++i) x[i] *= 0.25f;
}

CNN_FP4_HOST_DEVICE constexpr void FlipSigns(float* x, uint16_t signs) {
  for (int i = 0; i < kHadamardSize; ++i) {
    if ((signs >> i & 1) != 0) x[i] = -x[i];
  }
}

// The transform of one group of 16 values and its inverse, in place.
CNN_FP4_HOST_DEVICE constexpr void RandomHadamard16(float* x, uint16_t signs) {
  FlipSigns(x, signs);
  Hadamard16(x);
}
CNN_FP4_HOST_DEVICE constexpr void InverseRandomHadamard16(float* x,
                                                           uint16_t signs) {
  Hadamard16(x);
  FlipSigns(x, signs);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_HADAMARD_H_
