#include "telemetry/tensor_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cnn_fp4::telemetry {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// 8 kB: a chunk is read twice, the second time from L1.
constexpr size_t kChunk = 2048;
// Independent accumulators, so that additions overlap and vectorise although
// their order is fixed.
constexpr size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

double Sum(const Lanes& lanes) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

struct FirstPass {
  double sum;
  float min;
  float max;
  int64_t zeros;
};

// n > 0 finite values.
FirstPass Scan(const float* x, size_t n) {
  Lanes sum = {};
  std::array<float, kLanes> low;
  std::array<float, kLanes> high;
  std::array<int32_t, kLanes> zeros = {};
  low.fill(std::numeric_limits<float>::infinity());
  high.fill(-std::numeric_limits<float>::infinity());
  const size_t body = n - n % kLanes;
  for (size_t i = 0; i < body; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float v = x[i + j];
      sum[j] += static_cast<double>(v);
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
      zeros[j] += v == 0.0f;
    }
  }
  for (size_t i = body; i < n; ++i) {
    sum[0] += static_cast<double>(x[i]);
    low[0] = std::min(low[0], x[i]);
    high[0] = std::max(high[0], x[i]);
    zeros[0] += x[i] == 0.0f;
  }
  FirstPass pass = {Sum(sum), low[0], high[0], 0};
  for (size_t j = 0; j < kLanes; ++j) {
    pass.min = std::min(pass.min, low[j]);
    pass.max = std::max(pass.max, high[j]);
    pass.zeros += zeros[j];
  }
  return pass;
}

// n finite values as a summary of their own.
TensorStats Summarize(const float* x, size_t n) {
  TensorStats stats;
  stats.count = static_cast<int64_t>(n);
  if (n == 0) return stats;
  const FirstPass first = Scan(x, n);
  stats.min = first.min;
  stats.max = first.max;
  stats.zero_count = first.zeros;
  stats.mean = first.sum / static_cast<double>(n);
  const double mean = stats.mean;
  Lanes m2 = {};
  Lanes m3 = {};
  Lanes m4 = {};
  const size_t body = n - n % kLanes;
  for (size_t i = 0; i < body; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const double d = static_cast<double>(x[i + j]) - mean;
      const double d2 = d * d;
      m2[j] += d2;
      m3[j] += d2 * d;
      m4[j] += d2 * d2;
    }
  }
  for (size_t i = body; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    m2[0] += d * d;
    m3[0] += d * d * d;
    m4[0] += d * d * (d * d);
  }
  stats.m2 = Sum(m2);
  stats.m3 = Sum(m3);
  stats.m4 = Sum(m4);
  return stats;
}

// x - x is zero for finite x only.
bool AllFinite(const float* x, size_t n) {
  std::array<float, kLanes> sum = {};
  const size_t body = n - n % kLanes;
  for (size_t i = 0; i < body; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) sum[j] += x[i + j] - x[i + j];
  }
  for (size_t i = body; i < n; ++i) sum[0] += x[i] - x[i];
  float total = 0.0f;
  for (const float s : sum) total += s;
  return total == 0.0f;
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
