#include "quant/block_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "quant/float_environment.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"

namespace cnn_fp4::quant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double StoredScale(const PackedTensor& packed, int64_t block) {
  switch (packed.recipe.scale_format) {
    case ScaleFormat::kE4m3:
      return static_cast<double>(DecodeE4m3(packed.scales[block]));
    case ScaleFormat::kE8m0:
      return static_cast<double>(DecodeE8m0(packed.scales[block]));
    case ScaleFormat::kFloat32:
      return static_cast<double>(packed.scales_float32[block]);
  }
  return kNan;
}

double Scale(const PackedTensor& packed, int64_t block) {
  const double stored = StoredScale(packed, block);
  const size_t row = packed.tensor_scales.size() == 1
                         ? 0
                         : static_cast<size_t>(packed.grid.block(block).row);
  const double of_tensor = static_cast<double>(packed.tensor_scales[row]);
  return packed.recipe.scale_rule == ScaleRule::kCompressedTensors
             ? stored / of_tensor
             : stored * of_tensor;
}

// Of all blocks' scales. Each is counted `times`.
class ScaleSums {
 public:
  // About `origin`, one of them, so that the squares cancel nothing.
  explicit ScaleSums(double origin)
      : origin_(origin), min_(origin), max_(origin) {}

  void Add(double scale, int64_t times) {
    const double n = static_cast<double>(times);
    count_ += n;
    sum_ += n * (scale - origin_);
    squares_ += n * ((scale - origin_) * (scale - origin_));
    min_ = std::min(min_, scale);
    max_ = std::max(max_, scale);
  }

  void Finish(BlockStats* stats) const {
    const double mean = sum_ / count_;
    stats->scale_mean = origin_ + mean;
    stats->scale_std =
        std::sqrt(std::max(0.0, squares_ / count_ - mean * mean));
    stats->scale_min = min_;
    stats->scale_max = max_;
  }

 private:
  double origin_;
  double count_ = 0, sum_ = 0, squares_ = 0;
  double min_, max_;
};

void AddScales(const PackedTensor& packed, BlockStats* stats) {
  ScaleSums sums(Scale(packed, 0));
  if (packed.scales.empty() || packed.tensor_scales.size() != 1) {
    for (int64_t block = 0; block < stats->blocks; ++block) {
      sums.Add(Scale(packed, block), 1);
    }
  } else {
    // A scale is one of 256: each is decoded once.
    std::array<int64_t, 256> first = {}, times = {};
    for (int64_t block = stats->blocks - 1; block >= 0; --block) {
      const uint8_t code = packed.scales[block];
      first[code] = block;
      ++times[code];
    }
    for (size_t code = 0; code < times.size(); ++code) {
      if (times[code] > 0) sums.Add(Scale(packed, first[code]), times[code]);
    }
  }
  sums.Finish(stats);
}

// The smallest and the largest magnitude that is finite and not zero, of one
// block, or lane by lane.
struct Extremes {
  float low = kInfinity;
  float high = 0.0f;
};

// Without branches, so that the compiler takes several values at once. False
// for NaN, too.
inline float LowCandidate(float magnitude) {
  return magnitude > 0.0f ? magnitude : kInfinity;
}
inline float HighCandidate(float magnitude) {
  return magnitude < kInfinity ? magnitude : 0.0f;
}

Extremes FindExtremes(const float* x, int64_t n) {
  constexpr int64_t kLanes = 8;
  std::array<float, kLanes> low, high;
  low.fill(kInfinity);
  high.fill(0.0f);
  const auto include = [&](float value, size_t lane) {
    const float magnitude = std::fabs(value);
    const float l = LowCandidate(magnitude);
    const float h = HighCandidate(magnitude);
    low[lane] = l < low[lane] ? l : low[lane];
    high[lane] = h > high[lane] ? h : high[lane];
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) include(x[i + lane], lane);
  }
  for (; i < n; ++i) include(x[i], 0);
  return {*std::min_element(low.begin(), low.end()),
          *std::max_element(high.begin(), high.end())};
}

// Value by value: x[i] belongs to low[i] and high[i].
void IncludeEach(const float* __restrict x, int64_t n, float* __restrict low,
                 float* __restrict high) {
  for (int64_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(x[i]);
    const float l = LowCandidate(magnitude);
    const float h = HighCandidate(magnitude);
    low[i] = l < low[i] ? l : low[i];
    high[i] = h > high[i] ? h : high[i];
  }
}

// The sum of log2 of numbers, from their product: its exponent is kept apart.
class Log2Sum {
 public:
  // 0 < x < infinity.
  void Add(float x) {
    product_ *= static_cast<double>(x);
    // Exponents of floats go from -149 to 127, so that six fit a double.
    if (++pending_ == 6) Normalise();
  }

  double Value() const {
    return static_cast<double>(exponent_) + std::log2(product_);
  }

 private:
  void Normalise() {
    pending_ = 0;
    int exponent;
    product_ = std::frexp(product_, &exponent);
    exponent_ += exponent;
  }

  double product_ = 1;
  int64_t exponent_ = 0;
  int pending_ = 0;
};

// Sums of all blocks that have a magnitude.
struct Ranges {
  Log2Sum low, high;
  int64_t blocks = 0;

  void Add(float block_low, float block_high) {
    if (block_high == 0.0f) return;
    // A block of infinities and zeros has no low one either.
    low.Add(block_low);
    high.Add(block_high);
    ++blocks;
  }
};

// Memory is read in its order; the blocks of neighbours are neighbours.
double MeanDynamicRange(absl::Span<const float> x, const BlockGrid& grid) {
  const int64_t inner = grid.inner();
  const int64_t cols = grid.cols();
  const int64_t block_cols = grid.block_cols();
  // Of the blocks that begin in the same rows.
  const int64_t together = grid.middle() * grid.block_count_cols() * inner;
  std::vector<float> low(static_cast<size_t>(together));
  std::vector<float> high(static_cast<size_t>(together));
  Ranges ranges;
  const float* value = x.data();
  for (int64_t o = 0; o < grid.outer(); ++o) {
    for (int64_t first = 0; first < grid.rows(); first += grid.block_rows()) {
      std::fill(low.begin(), low.end(), kInfinity);
      std::fill(high.begin(), high.end(), 0.0f);
      const int64_t end = std::min(grid.rows(), first + grid.block_rows());
      for (int64_t r = first; r < end; ++r) {
        size_t block = 0;
        for (int64_t m = 0; m < grid.middle(); ++m) {
          for (int64_t c = 0; c < cols; c += block_cols) {
            const int64_t width = std::min(block_cols, cols - c);
            if (inner == 1) {
              const Extremes found = FindExtremes(value, width);
              low[block] = std::min(low[block], found.low);
              high[block] = std::max(high[block], found.high);
            } else {
              for (int64_t i = 0; i < width; ++i) {
                IncludeEach(value + i * inner, inner, &low[block],
                            &high[block]);
              }
            }
            value += width * inner;
            block += static_cast<size_t>(inner);
          }
        }
      }
      for (size_t i = 0; i < low.size(); ++i) ranges.Add(low[i], high[i]);
    }
  }
  if (ranges.blocks == 0) return kNan;
  return (ranges.high.Value() - ranges.low.Value()) /
         static_cast<double>(ranges.blocks);
}

}  // namespace

absl::StatusOr<BlockStats> ComputeBlockStats(absl::Span<const float> x,
                                             const PackedTensor& packed) {
  if (absl::Status status = ValidatePackedTensor(packed); !status.ok()) {
    return status;
  }
  if (static_cast<int64_t>(x.size()) != packed.grid.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("block statistics: ", x.size(),
                     " values, the packed tensor has ", packed.grid.size()));
  }
  // Subnormal values are no zeros, whatever the caller's thread is set to.
  const FloatEnvironment environment;
  BlockStats stats{packed.grid.num_blocks(), kNan, kNan, kNan, kNan, kNan};
  if (stats.blocks == 0) return stats;
  AddScales(packed, &stats);
  stats.dynamic_range_bits = MeanDynamicRange(x, packed.grid);
  return stats;
}

absl::Status ElementScales(const PackedTensor& packed,
                           absl::Span<float> scales) {
  if (absl::Status status = ValidatePackedTensor(packed); !status.ok()) {
    return status;
  }
  const BlockGrid& grid = packed.grid;
  if (static_cast<int64_t>(scales.size()) != grid.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("scales of ", scales.size(),
                     " elements, the packed tensor has ", grid.size()));
  }
  for (int64_t index = 0; index < grid.num_blocks(); ++index) {
    const auto scale = static_cast<float>(Scale(packed, index));
    const BlockGrid::Block block = grid.block(index);
    for (int64_t row = 0; row < block.rows; ++row) {
      for (int64_t col = 0; col < block.cols; ++col) {
        scales[block.offset + row * grid.row_stride() +
               col * grid.col_stride()] = scale;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant
