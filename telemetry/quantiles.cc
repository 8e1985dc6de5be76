#include "telemetry/quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace cnn_fp4::telemetry {
namespace {

// So many values are sorted as a whole.
constexpr size_t kFew = 256;

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

// The value at a rank between those of two neighbours.
double Between(float low, float high, double rank) {
  return static_cast<double>(low) +
         (rank - std::floor(rank)) *
             (static_cast<double>(high) - static_cast<double>(low));
}

// The quantiles from `first` to before `last`, whose ranks lie in [begin, end)
// of the sample, each at another place.
void Find(std::vector<float>& sample, size_t begin, size_t end, size_t first,
          size_t last, std::array<double, kQuantiles.size()>* result) {
  if (first == last) return;
  const size_t middle = first + (last - first) / 2;
  const double rank =
      kQuantiles[middle] * static_cast<double>(sample.size() - 1);
  const auto lower = static_cast<size_t>(rank);
  const auto at = [&](size_t i) {
    return sample.begin() + static_cast<int64_t>(i);
  };
  std::nth_element(at(begin), at(lower), at(end));
  float high = sample[lower];
  if (lower + 1 < end) {
    high = *std::min_element(at(lower + 1), at(end));
  } else if (end < sample.size()) {
    // The values from `end` on are no smaller than what was found there.
    high = *std::min_element(at(end), sample.end());
  }
  (*result)[middle] = Between(sample[lower], high, rank);
  Find(sample, begin, lower, first, middle, result);
  Find(sample, lower + 1, end, middle + 1, last, result);
}

}  // namespace

std::array<double, kQuantiles.size()> SampleQuantiles(
    absl::Span<const float> values) {
  std::array<double, kQuantiles.size()> result;
  result.fill(std::numeric_limits<double>::quiet_NaN());
  std::vector<float> sample = Sample(values);
  if (sample.empty()) return result;
  if (sample.size() < kFew) {
    // Two quantiles may lie at one place.
    std::sort(sample.begin(), sample.end());
    for (size_t i = 0; i < kQuantiles.size(); ++i) {
      const double rank =
          kQuantiles[i] * static_cast<double>(sample.size() - 1);
      const auto lower = static_cast<size_t>(rank);
      result[i] = Between(sample[lower],
                          sample[std::min(lower + 1, sample.size() - 1)], rank);
    }
    return result;
  }
  // The one in the middle first: it leaves the smaller values before it and the
  // larger ones behind it, so that each further search has a half to look
  // through, or a half of that.
  Find(sample, 0, sample.size(), 0, kQuantiles.size(), &result);
  return result;
}

}  // namespace cnn_fp4::telemetry
