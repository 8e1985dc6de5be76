#include "quant/block_stats.h"

#include <algorithm>
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

void AddScales(const PackedTensor& packed, BlockStats* stats) {
  // About the first scale, so that the squares cancel nothing.
  const double origin = Scale(packed, 0);
  double sum = 0, squares = 0;
  stats->scale_min = stats->scale_max = origin;
  for (int64_t block = 0; block < stats->blocks; ++block) {
    const double scale = Scale(packed, block);
    sum += scale - origin;
    squares += (scale - origin) * (scale - origin);
    stats->scale_min = std::min(stats->scale_min, scale);
    stats->scale_max = std::max(stats->scale_max, scale);
  }
  const auto n = static_cast<double>(stats->blocks);
  stats->scale_mean = origin + sum / n;
  stats->scale_std =
      std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

// The smallest and the largest magnitude of each block so far.
struct Extremes {
  std::vector<float> low;
  std::vector<float> high;

  void Include(int64_t block, float value) {
    const float magnitude = std::abs(value);
    // False for NaN, too.
    if (!(magnitude > 0.0f && magnitude < kInfinity)) return;
    low[block] = std::min(low[block], magnitude);
    high[block] = std::max(high[block], magnitude);
  }
};

// Memory is read in its order; the blocks of neighbours are neighbours.
Extremes FindExtremes(absl::Span<const float> x, const BlockGrid& grid) {
  Extremes extremes{
      std::vector<float>(static_cast<size_t>(grid.num_blocks()), kInfinity),
      std::vector<float>(static_cast<size_t>(grid.num_blocks()), 0.0f)};
  const float* value = x.data();
  for (int64_t o = 0; o < grid.outer(); ++o) {
    for (int64_t r = 0; r < grid.rows(); ++r) {
      const int64_t row = o * grid.block_count_rows() + r / grid.block_rows();
      for (int64_t m = 0; m < grid.middle(); ++m) {
        for (int64_t c = 0; c < grid.cols(); ++c) {
          const int64_t block =
              ((row * grid.middle() + m) * grid.block_count_cols() +
               c / grid.block_cols()) *
              grid.inner();
          for (int64_t i = 0; i < grid.inner(); ++i) {
            extremes.Include(block + i, *value++);
          }
        }
      }
    }
  }
  return extremes;
}

double MeanDynamicRange(const Extremes& extremes) {
  double sum = 0;
  int64_t count = 0;
  for (size_t block = 0; block < extremes.low.size(); ++block) {
    if (extremes.high[block] == 0.0f) continue;
    sum += std::log2(static_cast<double>(extremes.high[block]) /
                     static_cast<double>(extremes.low[block]));
    ++count;
  }
  return count == 0 ? kNan : sum / static_cast<double>(count);
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
  stats.dynamic_range_bits = MeanDynamicRange(FindExtremes(x, packed.grid));
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
