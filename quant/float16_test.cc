// The vector conversions of FP16 and BF16 against the scalar codecs, and the
// quantiser on narrow tensors against itself on widened ones.

#include "quant/float16.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/cpu/narrow_kernels.h"
#include "quant/formats/float16.h"
#include "quant/quantizer.h"
#include "quant/testing/reference_bits.h"
#include "quant/testing/vector_state.h"

namespace cnn_fp4::quant {
namespace {

class EveryInstructionSet : public ::testing::Test {
 protected:
  ~EveryInstructionSet() override { cpu::UseInstructionSet(0); }
};

// All exponents, mantissas around every FP16 and BF16 tie, both signs.
std::vector<float> Floats() {
  std::vector<float> x;
  for (uint32_t high = 0; high < 1u << 19; high += 7) {
    for (const uint32_t low : {0u, 1u, 0x0FFFu, 0x1000u, 0x1001u, 0x1FFFu}) {
      x.push_back(BitCast<float>(high << 13 | low));
    }
  }
  for (uint32_t high = 0; high < 1u << 16; high += 5) {
    for (const uint32_t low : {0x7FFFu, 0x8000u, 0x8001u}) {
      x.push_back(BitCast<float>(high << 16 | low));
    }
  }
  return x;
}

TEST_F(EveryInstructionSet, FromFloat) {
  const std::vector<float> x = Floats();
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    std::vector<float> half(x.size()), bfloat(x.size());
    std::vector<uint16_t> half_bits(x.size()), bfloat_bits(x.size());
    RoundToHalf(x, absl::MakeSpan(half));
    RoundToBfloat16(x, absl::MakeSpan(bfloat));
    cpu::FloatToHalf(x.data(), x.size(), half_bits.data());
    cpu::FloatToBfloat16(x.data(), x.size(), bfloat_bits.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(half_bits[i], EncodeHalf(x[i])) << set.name << " " << x[i];
      ASSERT_EQ(bfloat_bits[i], EncodeBfloat16(x[i]))
          << set.name << " " << x[i];
      if (std::isnan(x[i])) {
        ASSERT_TRUE(std::isnan(half[i]) && std::isnan(bfloat[i]));
        continue;
      }
      ASSERT_EQ(BitCast<uint32_t>(half[i]),
                BitCast<uint32_t>(DecodeHalf(EncodeHalf(x[i]))))
          << set.name << " " << x[i];
      ASSERT_EQ(BitCast<uint32_t>(bfloat[i]),
                BitCast<uint32_t>(DecodeBfloat16(EncodeBfloat16(x[i]))))
          << set.name << " " << x[i];
    }
  }
}

TEST_F(EveryInstructionSet, ToFloatAllCodes) {
  std::vector<uint16_t> codes(1 << 16);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = i;
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    std::vector<float> half(codes.size()), bfloat(codes.size());
    cpu::HalfToFloat(codes.data(), codes.size(), half.data());
    cpu::Bfloat16ToFloat(codes.data(), codes.size(), bfloat.data());
    for (size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(BitCast<uint32_t>(half[i]),
                BitCast<uint32_t>(DecodeHalf(codes[i])))
          << set.name << " " << i;
      ASSERT_EQ(BitCast<uint32_t>(bfloat[i]),
                BitCast<uint32_t>(DecodeBfloat16(codes[i])))
          << set.name << " " << i;
    }
  }
}

// Normal numbers, some blocks of them far larger or smaller, down to FP16's
// subnormals, and a block of zeros.
std::vector<uint16_t> NarrowValues(int64_t size, bool half) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> x(size);
  for (int64_t i = 0; i < size; ++i) {
    const int64_t block = i / 16;
    float v = normal(engine);
    if (block % 5 == 1) v = std::ldexp(v, static_cast<int>(block % 29) - 24);
    if (block == 3) v = 0.0f;
    x[i] = half ? EncodeHalf(v) : EncodeBfloat16(v);
  }
  return x;
}

std::string TypeName(bool half) { return half ? " FP16" : " BF16"; }

void ExpectEqualToWidened(const Recipe& recipe, const BlockGrid& grid,
                          std::vector<uint16_t> x, bool half,
                          const std::string& where,
                          const QuantizeOptions& options = {}) {
  std::vector<float> wide(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    wide[i] = half ? DecodeHalf(x[i]) : DecodeBfloat16(x[i]);
  }
  std::vector<float> expected(x.size());
  ASSERT_TRUE(
      FakeQuantize(recipe, grid, wide, absl::MakeSpan(expected), options).ok());
  const TensorView view =
      half ? TensorView::Float16(x) : TensorView::Bfloat16(x);
  std::vector<float> y(x.size());
  ASSERT_TRUE(FakeQuantize(recipe, grid, view,
                           MutableTensorView::Float32(absl::MakeSpan(y)),
                           options)
                  .ok());
  EXPECT_EQ(y, expected) << where;
  ExpectSamePacked(Quantize(recipe, grid, wide, options).value(),
                   Quantize(recipe, grid, view, options).value());
  EXPECT_EQ(Amax(view).value(), Amax(wide).value());
  const auto scale_amax = ScaleAmax(recipe, grid, wide, options);
  EXPECT_EQ(ScaleAmax(recipe, grid, view, options).status(),
            scale_amax.status());
  if (scale_amax.ok()) {
    EXPECT_EQ(ScaleAmax(recipe, grid, view, options).value(), *scale_amax);
  }
  // In place.
  const MutableTensorView out =
      half ? MutableTensorView::Float16(absl::MakeSpan(x))
           : MutableTensorView::Bfloat16(absl::MakeSpan(x));
  ASSERT_TRUE(FakeQuantize(recipe, grid, view, out, options).ok());
  EXPECT_FALSE(UpperHalvesInUse()) << where;
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(x[i],
              half ? EncodeHalf(expected[i]) : EncodeBfloat16(expected[i]))
        << where << " " << i << " " << wide[i];
  }
}

void ExpectRowsEqualToWidened(const Recipe& recipe, int64_t rows, int64_t cols,
                              bool half, const std::string& where,
                              const QuantizeOptions& options = {}) {
  const BlockGrid grid = BlockGrid::Along({rows, cols}, 1, recipe).value();
  ExpectEqualToWidened(recipe, grid, NarrowValues(grid.size(), half), half,
                       where + TypeName(half), options);
}

TEST_F(EveryInstructionSet, NarrowTensorsEqualTheWidenedOnes) {
  std::vector<Recipe> recipes;
  for (const NamedRecipe& named : RecipeRegistry()) {
    if (named.recipe.scale_rule == ScaleRule::kBestOf126) continue;  // Slow.
    recipes.push_back(named.recipe);
  }
  for (const char* name : {"nvfp4+ties_away", "mxfp4+ties_to_zero",
                           "nvfp4_modelopt+ties_away", "mxfp4+sr8"}) {
    recipes.push_back(FindRecipe(name).value());
  }
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const Recipe& recipe : recipes) {
      for (const int64_t cols : {64, 48, 50, 2048}) {
        for (const int64_t rows : {1, 21}) {
          for (const bool half : {false, true}) {
            ExpectRowsEqualToWidened(
                recipe, rows, cols, half,
                absl::StrCat(set.name, " ", recipe.name, " ", rows, "x", cols));
          }
        }
      }
    }
  }
}

// Blocks of 16 for amaxes of every exponent, subnormal ones too, and mantissas
// around those where scale rules turn: together they hold all numbers down to
// 2^-10 of the amax, some below, and zero. Chunks have one amax.
std::vector<uint16_t> BlocksOfEveryScale(bool half) {
  const int mantissa_bits = half ? 10 : 7;
  const int one = 1 << mantissa_bits;
  const int infinity = half ? 0x7C00 : 0x7F80;
  std::vector<uint16_t> x;
  std::minstd_rand engine(1);
  for (int exponent = 0; exponent < infinity; exponent += one) {
    for (const int mantissa : {0, one / 4, one / 2, one / 2 + 1, one * 3 / 4,
                               one * 3 / 4 + 1, one - 1}) {
      const int amax = exponent + mantissa;
      const int least = std::max(0, amax - 10 * one);
      // Of FP16's many mantissas some.
      int magnitude = amax;
      while (magnitude >= least) {
        const uint16_t sign = engine() % 2 << 15;
        x.push_back(x.size() % 16 == 0 ? amax : magnitude | sign);
        magnitude -= half ? 1 + engine() % 8 : 1;
      }
      while (x.size() % 256 != 0) {
        x.push_back(x.size() % 7 == 0 ? 0x8000 : engine() % (amax + 1));
      }
    }
  }
  return x;
}

TEST_F(EveryInstructionSet, BlocksAcrossMemory) {
  struct Shape {
    std::vector<int64_t> extents;
    int axis;
  };
  // Short last blocks; rows shorter and longer than a panel's.
  const std::vector<Shape> shapes = {
      {{2, 40, 5, 7}, 1}, {{37, 17}, 0}, {{3, 33, 3000}, 1}, {{50, 4, 3}, 0}};
  std::vector<Recipe> recipes;
  for (const NamedRecipe& named : RecipeRegistry()) {
    if (named.recipe.scale_rule == ScaleRule::kBestOf126) continue;  // Slow.
    recipes.push_back(named.recipe);
  }
  for (const char* name : {"nvfp4+ties_away", "nvfp4+sr8"}) {
    recipes.push_back(FindRecipe(name).value());
  }
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const Shape& shape : shapes) {
      int64_t size = 1;
      for (const int64_t extent : shape.extents) size *= extent;
      const std::vector<uint16_t> values[] = {NarrowValues(size, false),
                                              NarrowValues(size, true)};
      for (const Recipe& recipe : recipes) {
        const absl::StatusOr<BlockGrid> grid =
            BlockGrid::Along(shape.extents, shape.axis, recipe);
        if (!grid.ok()) continue;  // Tiles need another axis before it.
        std::vector<float> scales(grid->num_blocks());
        for (size_t b = 0; b < scales.size(); ++b) {
          scales[b] = static_cast<float>(1 + b % 97);
        }
        for (const bool half : {false, true}) {
          for (const bool given : {false, true}) {
            QuantizeOptions options;
            if (given) options.block_scales = scales;
            ExpectEqualToWidened(
                recipe, *grid, values[half ? 1 : 0], half,
                absl::StrCat(set.name, " ", recipe.name, TypeName(half), " ",
                             ::testing::PrintToString(shape.extents),
                             given ? " given" : ""),
                options);
          }
        }
      }
    }
  }
}

TEST_F(EveryInstructionSet, NarrowBlocksOfEveryScale) {
  for (const bool half : {false, true}) {
    const std::vector<uint16_t> x = BlocksOfEveryScale(half);
    for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
      cpu::UseInstructionSet(set.id);
      for (const char* name :
           {"mxfp4", "mxfp4_ceil", "mxfp4_rceil", "mxfp4_even", "mxfp4_midmax",
            "pow2_1x16", "nvfp4_1level"}) {
        const Recipe recipe = FindRecipe(name).value();
        ExpectEqualToWidened(recipe, BlockGrid::Flat(x.size(), recipe).value(),
                             x, half,
                             absl::StrCat(set.name, " ", name, TypeName(half)));
      }
      // Most blocks' scales vanish or saturate, those around an amax do not.
      for (const char* name : {"nvfp4", "nvfp4_torchao"}) {
        const Recipe recipe = FindRecipe(name).value();
        for (const float amax :
             {0x1p-120f, 0x1p-100f, 0x1p-30f, 0x1p-14f, 0x1p-5f, 1.0f, 0x1p12f,
              0x1p60f, std::numeric_limits<float>::max()}) {
          QuantizeOptions options;
          options.tensor_amax = amax;
          ExpectEqualToWidened(
              recipe, BlockGrid::Flat(x.size(), recipe).value(), x, half,
              absl::StrCat(set.name, " ", name, TypeName(half), " ", amax),
              options);
        }
      }
    }
  }
}

TEST(NarrowTensors, MoreThanOneThread) {
  for (const char* name : {"nvfp4", "mxfp4", "nvfp4_four_over_six"}) {
    for (const bool half : {false, true}) {
      ExpectRowsEqualToWidened(FindRecipe(name).value(), 40, 2048, half, name);
    }
  }
}

TEST(NarrowTensors, PiecesKnowWhereTheyAre) {
  constexpr int64_t kRows = 40, kCols = 2048;
  QuantizeOptions options;
  options.first_element = 7;
  std::vector<float> scales(kRows * kCols / 16);
  for (size_t b = 0; b < scales.size(); ++b) {
    scales[b] = static_cast<float>(1 + b % 97);
  }
  for (const char* name : {"nvfp4", "nvfp4+sr8", "nvfp4_1level+sr"}) {
    for (const bool given : {false, true}) {
      options.block_scales = given ? scales : absl::Span<const float>();
      for (const bool half : {false, true}) {
        ExpectRowsEqualToWidened(FindRecipe(name).value(), kRows, kCols, half,
                                 name, options);
      }
    }
  }
}

// Tiles whose blocks on a tensor of one row are a column of the recipe's.
TEST(NarrowTensors, OtherSideOfTiles) {
  const Recipe recipe = FindRecipe("nvfp4_2d+block=1").value();
  const BlockGrid grid = BlockGrid::Tiles({1, 64}, 1, 0, recipe).value();
  ASSERT_EQ(grid.block_cols(), 16);
  std::vector<uint16_t> x = NarrowValues(64, true);
  std::vector<float> wide(64), expected(64), y(64);
  for (size_t i = 0; i < x.size(); ++i) wide[i] = DecodeHalf(x[i]);
  ASSERT_TRUE(FakeQuantize(recipe, grid, wide, absl::MakeSpan(expected)).ok());
  ASSERT_TRUE(FakeQuantize(recipe, grid, TensorView::Float16(x),
                           MutableTensorView::Float32(absl::MakeSpan(y)))
                  .ok());
  EXPECT_EQ(y, expected);
}

TEST(NarrowTensors, WithoutElements) {
  std::vector<uint16_t> none;
  for (const NamedRecipe& named : RecipeRegistry()) {
    for (const std::vector<int64_t>& extents :
         {std::vector<int64_t>{0, 20}, {20, 0}, {0}}) {
      for (int axis = 0; axis < static_cast<int>(extents.size()); ++axis) {
        const absl::StatusOr<BlockGrid> grid =
            BlockGrid::Along(extents, axis, named.recipe);
        if (!grid.ok()) continue;  // Tiles need another axis before it.
        EXPECT_TRUE(
            FakeQuantize(named.recipe, *grid, TensorView::Float16(none),
                         MutableTensorView::Float16(absl::MakeSpan(none)))
                .ok())
            << named.recipe.name;
      }
    }
  }
}

TEST(NarrowTensors, RefuseNamesTheElement) {
  std::vector<uint16_t> x(100, EncodeHalf(1.0f));
  x[77] = 0x7C00;
  const Recipe recipe = FindRecipe("pow2_1x16").value();
  const BlockGrid grid = BlockGrid::Flat(100, recipe).value();
  const absl::Status status =
      FakeQuantize(recipe, grid, TensorView::Float16(x),
                   MutableTensorView::Float16(absl::MakeSpan(x)));
  EXPECT_NE(status.message().find("element 77 is Inf"), std::string::npos)
      << status;
  EXPECT_FALSE(Amax(TensorView::Float16(x)).ok());
}

}  // namespace
}  // namespace cnn_fp4::quant
