#include "telemetry/quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
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

// The value at a rank between those of two neighbours.
double Between(float low, float high, double rank) {
  return static_cast<double>(low) +
         (rank - std::floor(rank)) *
             (static_cast<double>(high) - static_cast<double>(low));
}

// Values of which single ranks are asked for: sorted by the upper bits of their
// binary representation, and no further than that.
class Ranked {
 public:
  // Finite values.
  explicit Ranked(const std::vector<float>& sample)
      : values_(sample.size()), begin_(kBuckets + 1) {
    for (const float value : sample) ++begin_[BucketOf(value) + 1];
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    std::vector<uint32_t> next(begin_.begin(), begin_.end() - 1);
    for (const float value : sample) values_[next[BucketOf(value)]++] = value;
  }

  // The value that `rank` others precede.
  float At(size_t rank) {
    const auto after = std::upper_bound(begin_.begin(), begin_.end(), rank);
    const auto place = [&](size_t i) {
      return values_.begin() + static_cast<int64_t>(i);
    };
    std::nth_element(place(*(after - 1)), place(rank), place(*after));
    return values_[rank];
  }

 private:
  static constexpr int kBits = 12;
  static constexpr size_t kBuckets = size_t{1} << kBits;

  // The order of floats is that of their bits with the sign's flipped, of
  // negative ones with all flipped.
  static uint32_t BucketOf(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    constexpr uint32_t kSign = uint32_t{1} << 31;
    return ((bits & kSign) != 0 ? ~bits : bits | kSign) >> (32 - kBits);
  }

  std::vector<float> values_;
  std::vector<uint32_t> begin_;  // Of each bucket, and the end.
};

}  // namespace

Quantiles SampleQuantiles(absl::Span<const float> values) {
  Quantiles result;
  result.fill(std::numeric_limits<double>::quiet_NaN());
  const std::vector<float> sample = Sample(values);
  if (sample.empty()) return result;
  Ranked ranked(sample);
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    const double rank = kQuantiles[i] * static_cast<double>(sample.size() - 1);
    const auto lower = static_cast<size_t>(rank);
    const float low = ranked.At(lower);
    const float high = ranked.At(std::min(lower + 1, sample.size() - 1));
    result[i] = Between(low, high, rank);
  }
  return result;
}

}  // namespace cnn_fp4::telemetry
