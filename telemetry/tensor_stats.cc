#include "telemetry/tensor_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "telemetry/chunk_moments.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// 8 kB: a chunk is read twice, the second time from L1.
constexpr size_t kChunk = 2048;

// n finite values as a summary of their own.
TensorStats Summarize(const float* x, size_t n) {
  TensorStats stats;
  stats.count = static_cast<int64_t>(n);
  if (n == 0) return stats;
  const Moments moments = ChunkMoments(x, n);
  stats.min = moments.min;
  stats.max = moments.max;
  stats.zero_count = moments.zeros;
  stats.mean = moments.mean;
  stats.m2 = moments.m2;
  stats.m3 = moments.m3;
  stats.m4 = moments.m4;
  return stats;
}

TensorStats SummarizeWithoutNonfinite(const float* x, size_t n) {
  std::array<float, kChunk> finite;
  size_t kept = 0;
  int64_t nans = 0;
  int64_t infinities = 0;
  for (size_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) {
      finite[kept++] = x[i];
    } else if (std::isnan(x[i])) {
      ++nans;
    } else {
      ++infinities;
    }
  }
  TensorStats stats = Summarize(finite.data(), kept);
  stats.count += nans + infinities;
  stats.nan_count = nans;
  stats.inf_count = infinities;
  return stats;
}

}  // namespace

TensorStats::TensorStats() : mean(kNan), min(kNan), max(kNan) {}

double TensorStats::amax() const {
  return finite_count() == 0 ? kNan : std::max(std::abs(min), std::abs(max));
}

double TensorStats::std() const {
  return finite_count() == 0
             ? kNan
             : std::sqrt(m2 / static_cast<double>(finite_count()));
}

double TensorStats::norm() const {
  const auto n = static_cast<double>(finite_count());
  return n == 0.0 ? 0.0 : std::sqrt(m2 + n * mean * mean);
}

double TensorStats::kurtosis() const {
  return m2 > 0.0 ? static_cast<double>(finite_count()) * (m4 / m2 / m2) : kNan;
}

void TensorStats::Merge(const TensorStats& other) {
  const double na = static_cast<double>(finite_count());
  const double nb = static_cast<double>(other.finite_count());
  if (nb > 0.0 && na == 0.0) {
    mean = other.mean;
    min = other.min;
    max = other.max;
    m2 = other.m2;
    m3 = other.m3;
    m4 = other.m4;
  } else if (nb > 0.0) {
    const double n = na + nb;
    const double delta = other.mean - mean;
    const double d_n = delta / n;
    const double d_n2 = d_n * d_n;
    const double term = delta * d_n * na * nb;  // delta^2 na nb / n
    m4 += other.m4 + term * d_n2 * (na * na - na * nb + nb * nb) +
          6.0 * d_n2 * (na * na * other.m2 + nb * nb * m2) +
          4.0 * d_n * (na * other.m3 - nb * m3);
    m3 += other.m3 + term * d_n * (na - nb) +
          3.0 * d_n * (na * other.m2 - nb * m2);
    m2 += other.m2 + term;
    mean += d_n * nb;
    min = std::min(min, other.min);
    max = std::max(max, other.max);
  }
  count += other.count;
  nan_count += other.nan_count;
  inf_count += other.inf_count;
  zero_count += other.zero_count;
}

TensorStats ComputeTensorStats(absl::Span<const float> values) {
  TensorStats stats;
  for (size_t begin = 0; begin < values.size(); begin += kChunk) {
    const float* x = values.data() + begin;
    const size_t n = std::min(kChunk, values.size() - begin);
    stats.Merge(AllFinite(x, n) ? Summarize(x, n)
                                : SummarizeWithoutNonfinite(x, n));
  }
  return stats;
}

}  // namespace cnn_fp4::telemetry
