#ifndef TELEMETRY_TENSOR_STATS_H_
#define TELEMETRY_TENSOR_STATS_H_

// Summary of a tensor's values in one pass over memory.
//
//   TensorStats stats = ComputeTensorStats(weights);
//   stats.Merge(ComputeTensorStats(more));   // As if of both together.
//
// Sums are double. Moments are central, taken chunk by chunk (a chunk stays in
// the L1 cache) around the chunk's own mean, and merged with the update
// formulas of Pebay, "Formulas for robust, one-pass parallel computation of
// covariances and arbitrary-order statistical moments", SAND2008-6212. A large
// mean costs no precision. The result does not depend on threads.

#include <cstdint>

#include "absl/types/span.h"

namespace cnn_fp4::telemetry {

// Every statistic but the counts is of the finite values; without any they are
// NaN (amax, too: an empty tensor has none).
struct TensorStats {
  int64_t count = 0;  // All values.
  int64_t nan_count = 0;
  int64_t inf_count = 0;   // Of both signs.
  int64_t zero_count = 0;  // +0 and -0.

  double mean;
  double min;
  double max;

  // Sums of powers of (x - mean) over the finite values: what Merge needs.
  double m2 = 0.0;
  double m3 = 0.0;
  double m4 = 0.0;

  TensorStats();

  int64_t finite_count() const { return count - nan_count - inf_count; }
  int64_t nonfinite_count() const { return nan_count + inf_count; }

  // Largest |x|.
  double amax() const;
  // Population standard deviation: divided by n.
  double std() const;
  // Euclidean: the square root of the sum of x^2; 0 without values.
  double norm() const;
  // Pearson's m4 n / m2^2, not the excess: 3 for a normal distribution, 1.8 for
  // a uniform one. NaN when all values are equal.
  double kurtosis() const;

  void Merge(const TensorStats& other);
};

TensorStats ComputeTensorStats(absl::Span<const float> values);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_TENSOR_STATS_H_
