#ifndef QUANT_TESTING_NEAREST_BY_SEARCH_H_
#define QUANT_TESTING_NEAREST_BY_SEARCH_H_

// What the formats' definitions say, in FP64 and by search, for tests that must
// not agree with the code by being it. Not bit-exact: of two candidates equally
// near the smaller is taken.

#include <cmath>

namespace cnn_fp4::quant {

inline double NearestE4m3BySearch(double value) {
  double best = 0;
  for (int bits = 0; bits < 0x7f; ++bits) {
    const int exponent = bits >> 3, mantissa = bits & 7;
    const double candidate = exponent == 0
                                 ? std::ldexp(mantissa, -9)
                                 : std::ldexp(8 + mantissa, exponent - 10);
    if (std::abs(candidate - value) < std::abs(best - value)) best = candidate;
  }
  return best;
}

inline double NearestE2m1BySearch(double value) {
  double best = 0;
  for (const double magnitude : {0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}) {
    if (std::abs(magnitude - std::abs(value)) <
        std::abs(best - std::abs(value))) {
      best = magnitude;
    }
  }
  return std::copysign(best, value);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_NEAREST_BY_SEARCH_H_
