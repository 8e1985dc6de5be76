#ifndef QUANT_DISTORTION_SUMS_H_
#define QUANT_DISTORTION_SUMS_H_

// The sums that quant/distortion.h makes its statistics of: plain numbers, so
// that kernels can fill them.

#include <algorithm>
#include <cstdint>

#include "quant/code_counts.h"

namespace cnn_fp4::quant {

// Of pairs of an original x and a de-quantised y; everything but `nonfinite` is
// of the pairs in which both are finite.
struct DistortionSums {
  int64_t finite = 0;     // Pairs.
  int64_t nonfinite = 0;  // Pairs in which x or y is NaN or infinite.
  int64_t exact = 0;      // y == x.
  int64_t nonzero = 0;    // x != 0.
  int64_t underflow = 0;  // x != 0 that became +-0.
  int64_t saturated = 0;  // Code +-6 and |x| > |y|.
  double max_abs_error = 0.0;
  double xx = 0.0;  // Sum of x^2.
  double yy = 0.0;
  double xy = 0.0;
  double ee = 0.0;  // Of (y - x)^2.
  CodeCounts codes;

  void Merge(const DistortionSums& other) {
    finite += other.finite;
    nonfinite += other.nonfinite;
    exact += other.exact;
    nonzero += other.nonzero;
    underflow += other.underflow;
    saturated += other.saturated;
    max_abs_error = std::max(max_abs_error, other.max_abs_error);
    xx += other.xx;
    yy += other.yy;
    xy += other.xy;
    ee += other.ee;
    codes.Merge(other.codes);
  }
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_DISTORTION_SUMS_H_
