#include "telemetry/quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace cnn_fp4::telemetry {
namespace {

std::vector<float> Sample(absl::Span<const float> values) {
  std::vector<float> sample;
  const size_t n = std::min(values.size(), kQuantileSample);
  sample.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    const size_t begin = values.size() * i / n;
    const size_t end = values.size() * (i + 1) / n;
    // Knuth's multiplicative hash: equal distances would meet the same column
    // of each image.
    const uint32_t hash = static_cast<uint32_t>(i) * 2654435761u;
    const float value = values[begin + (hash >> 8) % (end - begin)];
    if (std::isfinite(value)) sample.push_back(value);
  }
  return sample;
}

}  // namespace

std::array<double, kQuantiles.size()> SampleQuantiles(
    absl::Span<const float> values) {
  std::array<double, kQuantiles.size()> result;
  result.fill(std::numeric_limits<double>::quiet_NaN());
  std::vector<float> sample = Sample(values);
  if (sample.empty()) return result;
  // Each search leaves the larger values behind it for the next one.
  auto begin = sample.begin();
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    const double rank = kQuantiles[i] * static_cast<double>(sample.size() - 1);
    const auto lower = sample.begin() + static_cast<int64_t>(rank);
    std::nth_element(begin, lower, sample.end());
    const auto low = static_cast<double>(*lower);
    double high = low;
    if (lower + 1 != sample.end()) {
      high = static_cast<double>(*std::min_element(lower + 1, sample.end()));
    }
    result[i] = low + (rank - std::floor(rank)) * (high - low);
    begin = lower;
  }
  return result;
}

}  // namespace cnn_fp4::telemetry
