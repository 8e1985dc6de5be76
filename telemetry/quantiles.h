#ifndef TELEMETRY_QUANTILES_H_
#define TELEMETRY_QUANTILES_H_

// Quantiles of a tensor, of a sample of it: sorting millions of activations at
// each measured step would cost more than the step.
//
//   const std::array<double, 5> q = SampleQuantiles(values);

#include <array>
#include <cstddef>

#include "absl/types/span.h"

namespace cnn_fp4::telemetry {

inline constexpr std::array<double, 5> kQuantiles = {0.01, 0.25, 0.5, 0.75,
                                                     0.99};

// One number for each of them.
using Quantiles = std::array<double, kQuantiles.size()>;

// So many values are looked at: the share of a tensor's values below what is
// given for the quantile q differs from q by about sqrt(q (1 - q) / 16384), 0.1
// percentage points at 1 and 99 %, 0.4 at the median.
inline constexpr size_t kQuantileSample = 16384;

// kQuantiles of the finite values: of all of them up to kQuantileSample values,
// else of one from each of kQuantileSample equal parts of the tensor, at a
// place that the part's number decides, so that the same tensor has the same
// quantiles. Between two values they are interpolated (Hyndman and Fan's type
// 7, NumPy's default). NaN without finite values.
Quantiles SampleQuantiles(absl::Span<const float> values);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_QUANTILES_H_
