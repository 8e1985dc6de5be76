#include "quant/testing/tie_values.h"

#include <cmath>
#include <cstdint>

#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"

namespace cnn_fp4::quant {

std::vector<float> TieValues(float tensor_amax) {
  std::vector<float> x(16, 0.0f);
  x[3] = tensor_amax;
  for (uint8_t code = 0; code < 0x7E; ++code) {
    const float middle = (DecodeE4m3(code) + DecodeE4m3(code + 1)) / 2.0f;
    const float amax = tensor_amax * middle / kE4m3Max;
    x.push_back(-amax);
    const float unit = amax / kE2m1Max;
    for (uint8_t low = 0; low < 7; ++low) {
      const float tie = unit * (DecodeE2m1(low) + DecodeE2m1(low + 1)) / 2.0f;
      x.push_back(tie);
      x.push_back(-std::nextafter(tie, low % 2 == 0 ? 0.0f : amax));
    }
    x.push_back(0.0f);
  }
  return x;
}

std::vector<float> TieAmaxes() {
  std::vector<float> amaxes;
  for (int i = 1; i < 128; i += 2) {
    amaxes.push_back(std::ldexp(static_cast<float>(i), i % 13 - 6));
    amaxes.push_back(std::ldexp(static_cast<float>(7 * i), i % 7 - 3));
  }
  return amaxes;
}

}  // namespace cnn_fp4::quant
