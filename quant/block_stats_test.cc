#include "quant/block_stats.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/formats/e2m1.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

using ::testing::HasSubstr;

PackedTensor Packed(const std::string& recipe_name,
                    const std::vector<float>& x) {
  const Recipe recipe = FindRecipe(recipe_name).value();
  const BlockGrid grid =
      BlockGrid::Flat(static_cast<int64_t>(x.size()), recipe).value();
  return Quantize(recipe, grid, x).value();
}

// Blocks of 32 with E8M0 scales: the scale is the power of two of the largest
// magnitude over 4, so that 4 to 7.99 have scale 1.
TEST(BlockStats, ByHand) {
  std::vector<float> x(70, 0.0f);
  x[0] = 4.0f, x[1] = -0.5f, x[2] = 1.0f;  // Scale 1, 3 bits.
  x[32] = 16.0f, x[33] = 16.0f;            // Scale 4, 0 bits.
  x[64] = 0.25f, x[65] = -0.125f;          // A short block: 1/16, 1 bit.
  const auto stats = ComputeBlockStats(x, Packed("mxfp4", x));
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->blocks, 3);
  EXPECT_EQ(stats->scale_min, 0.0625);
  EXPECT_EQ(stats->scale_max, 4.0);
  const double mean = (1 + 4 + 0.0625) / 3;
  EXPECT_DOUBLE_EQ(stats->scale_mean, mean);
  EXPECT_DOUBLE_EQ(stats->scale_std,
                   std::sqrt((1 + 16 + 0.0625 * 0.0625) / 3 - mean * mean));
  EXPECT_DOUBLE_EQ(stats->dynamic_range_bits, (3.0 + 0.0 + 1.0) / 3);
}

TEST(BlockStats, EveryBlockCounts) {
  std::vector<float> x(4 * 32, 4.0f);                // Scale 1 ...
  std::fill(x.begin() + 64, x.begin() + 96, 32.0f);  // ... but here: 8.
  for (const char* recipe : {"mxfp4", "nvfp4_rowscaled"}) {
    const PackedTensor packed = Packed(recipe, x);
    const int64_t blocks = packed.grid.num_blocks();
    const auto stats = ComputeBlockStats(x, packed);
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->blocks, blocks);
    EXPECT_EQ(stats->scale_max, 8 * stats->scale_min) << recipe;
    // Of 1, 1, 8, 1.
    EXPECT_DOUBLE_EQ(stats->scale_mean, 2.75 * stats->scale_min) << recipe;
    EXPECT_DOUBLE_EQ(stats->scale_std,
                     std::sqrt(67 / 4.0 - 2.75 * 2.75) * stats->scale_min)
        << recipe;
  }
}

TEST(BlockStats, TheScaleIsThatOfTheTensorTimesThatOfTheBlock) {
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(256);
  for (float& v : x) v = 1e-3f * normal(engine);
  for (const char* recipe :
       {"nvfp4", "nvfp4_compressed_tensors", "mxfp4", "nvfp4_rowscaled"}) {
    const PackedTensor packed = Packed(recipe, x);
    const auto stats = ComputeBlockStats(x, packed);
    ASSERT_TRUE(stats.ok()) << stats.status();
    // What the largest value became, over its code's value, is a scale.
    std::vector<float> y(x.size());
    ASSERT_TRUE(Dequantize(packed, absl::MakeSpan(y)).ok());
    double largest = 0;
    for (const float v : y) {
      largest = std::max(largest, static_cast<double>(std::abs(v)));
    }
    EXPECT_GE(stats->scale_max * 6 * (1 + 1e-6), largest) << recipe;
    EXPECT_LE(stats->scale_max * 3, largest) << recipe;
    EXPECT_LE(stats->scale_min, stats->scale_mean) << recipe;
    EXPECT_LE(stats->scale_mean, stats->scale_max) << recipe;
  }
}

// The blocks of every kind of grid are those of BlockGrid::block.
TEST(BlockStats, FollowsTheGrid) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  const std::vector<int64_t> shape = {3, 20, 5, 7};
  std::vector<float> x(3 * 20 * 5 * 7);
  for (float& v : x) v = normal(engine);
  const Recipe one = FindRecipe("nvfp4").value();
  const Recipe two = FindRecipe("nvfp4_2d").value();
  for (const BlockGrid& grid : {BlockGrid::Along(shape, 1, one).value(),
                                BlockGrid::Along(shape, 3, one).value(),
                                BlockGrid::Tiles(shape, 0, 1, two).value(),
                                BlockGrid::Tiles(shape, 3, 1, two).value()}) {
    const Recipe& recipe = grid.block_rows() > 1 ? two : one;
    const PackedTensor packed = Quantize(recipe, grid, x).value();
    double sum = 0;
    for (int64_t i = 0; i < grid.num_blocks(); ++i) {
      const BlockGrid::Block block = grid.block(i);
      double low = INFINITY, high = 0;
      for (int64_t r = 0; r < block.rows; ++r) {
        for (int64_t c = 0; c < block.cols; ++c) {
          const double v = std::abs(static_cast<double>(
              x[block.offset + r * grid.row_stride() + c * grid.col_stride()]));
          low = std::min(low, v);
          high = std::max(high, v);
        }
      }
      sum += std::log2(high / low);
    }
    const auto stats = ComputeBlockStats(x, packed);
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_NEAR(stats->dynamic_range_bits,
                sum / static_cast<double>(grid.num_blocks()), 1e-9);
  }
}

TEST(BlockStats, WhatIsNotFiniteOrZeroSaysNothingOfTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(32, 0.0f);
  const PackedTensor packed = Packed("mxfp4", x);
  EXPECT_TRUE(std::isnan(ComputeBlockStats(x, packed)->dynamic_range_bits));
  x[1] = 8.0f, x[2] = 2.0f, x[3] = infinity, x[4] = std::nanf("");
  EXPECT_EQ(ComputeBlockStats(x, packed)->dynamic_range_bits, 2.0);
  // A subnormal is not zero.
  x[2] = 0x1p-140f;
  EXPECT_EQ(ComputeBlockStats(x, packed)->dynamic_range_bits, 143.0);
}

TEST(BlockStats, AnotherNumberOfValuesIsRefused) {
  const std::vector<float> x(32, 1.0f);
  const absl::Status status =
      ComputeBlockStats(std::vector<float>(31), Packed("mxfp4", x)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("31 values"));
}

TEST(BlockStats, AnEmptyTensorHasNone) {
  const auto stats = ComputeBlockStats({}, Packed("nvfp4", {}));
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->blocks, 0);
  EXPECT_TRUE(std::isnan(stats->scale_mean));
}

// A value that was quantised is its code's value times the scale of its
// element.
TEST(ElementScales, TimesTheCodesAreTheDequantisedValues) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  const std::vector<int64_t> shape = {3, 20, 5, 7};
  std::vector<float> x(3 * 20 * 5 * 7);
  for (float& v : x) v = normal(engine);
  const Recipe recipes[] = {FindRecipe("nvfp4").value(),
                            FindRecipe("nvfp4_2d").value(),
                            FindRecipe("mxfp4").value(),
                            FindRecipe("nvfp4_compressed_tensors").value()};
  for (const Recipe& recipe : recipes) {
    for (const int axis : {1, 3}) {
      const BlockGrid grid = BlockGrid::Along(shape, axis, recipe).value();
      const PackedTensor packed = Quantize(recipe, grid, x).value();
      std::vector<float> y(x.size()), scales(x.size());
      ASSERT_TRUE(Dequantize(packed, absl::MakeSpan(y)).ok());
      ASSERT_TRUE(ElementScales(packed, absl::MakeSpan(scales)).ok());
      for (size_t i = 0; i < x.size(); ++i) {
        const float code = DecodeE2m1(CodeAt(packed, static_cast<int64_t>(i)));
        ASSERT_FLOAT_EQ(scales[i] * code, y[i]) << recipe.name << " at " << i;
      }
    }
  }
}

TEST(ElementScales, AnotherNumberOfElementsIsRefused) {
  const std::vector<float> x(32, 1.0f);
  std::vector<float> scales(31);
  const absl::Status status =
      ElementScales(Packed("mxfp4", x), absl::MakeSpan(scales));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("31 elements"));
}

}  // namespace
}  // namespace cnn_fp4::quant
