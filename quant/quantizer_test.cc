// The fast path against the reference, bit for bit: every recipe, every layout,
// lengths around every boundary, every instruction set, one and two threads.

#include "quant/quantizer.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/host_device.h"
#include "quant/testing/reference_bits.h"
#include "quant/testing/restored_ways.h"
#include "quant/testing/tie_values.h"

namespace cnn_fp4::quant {
namespace {

// Values over many magnitudes, BF16 every other one so that ties come up, with
// zeros of both signs and whole blocks of zeros.
std::vector<float> Values(int64_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (int64_t i = 0; i < n; ++i) {
    const float wide = std::exp(2.0f * normal(engine));
    float v = normal(engine) * (i / 64 % 3 == 0 ? wide : 0.02f);
    if (i % 2 == 0) {
      v = BitCast<float>(BitCast<uint32_t>(v) & 0xFFFF0000u);
    }
    if (engine() % 16 == 0) v = std::copysign(0.0f, v);
    if (i / 32 % 11 == 5) v = 0.0f;
    x[i] = v;
  }
  return x;
}

struct Shape {
  std::vector<int64_t> extents;
  int axis;
};

// Blocks along contiguous memory, across it, in short inner extents, tiles.
const std::vector<Shape>& Shapes() {
  static const auto* const shapes = new std::vector<Shape>{
      {{1}, 0},           {{15}, 0},          {{16}, 0},
      {{17}, 0},          {{255}, 0},         {{256}, 0},
      {{257}, 0},         {{1000}, 0},        {{16384 + 272}, 0},
      {{3, 8}, 1},        {{5, 56}, 1},       {{7, 48}, 1},
      {{2, 600}, 1},      {{40, 16}, 0},      {{33, 17}, 0},
      {{16, 1}, 0},       {{100, 7}, 0},      {{4, 20, 9}, 1},
      {{2, 32, 16}, 1},   {{2, 35, 64}, 1},   {{3, 16, 65}, 1},
      {{1, 70, 33}, 1},   {{2, 48, 3, 3}, 1}, {{32, 16, 3, 3}, 0},
      {{1, 16, 1100}, 1}, {{0, 16}, 1},       {{20, 40}, 1},
      {{0}, 0},           {{16, 0}, 0},       {{16, 0}, 1},
      {{2, 0, 20}, 1},    {{2, 16, 0}, 1},
  };
  return *shapes;
}

std::vector<std::string> RecipeNames() {
  std::vector<std::string> names;
  for (const NamedRecipe& named : RecipeRegistry()) {
    names.push_back(named.recipe.name);
  }
  for (const char* rounding :
       {"ties_away", "ties_to_zero", "sr8", "sr", "sr_unbiased"}) {
    names.push_back(std::string("nvfp4+") + rounding);
  }
  for (const char* name :
       {"nvfp4_modelopt+sr8", "mxfp4+block=16+sr", "mxfp4+block=64",
        "mxfp4+block=10", "mxfp4+block=48", "nvfp4+block=300",
        "nvfp4+block=0+sr", "nvfp4+rht+block=65536",
        "nvfp4_four_over_six+block=0", "nvfp4+block=128", "nvfp4+rht",
        "nvfp4_rowscaled+rht", "mxfp4+rht+sr8", "nvfp4_2d+sr",
        "nvfp4_four_over_six+sr8", "nvfp4_four_over_six_mae+sr_unbiased+rht"}) {
    names.emplace_back(name);
  }
  return names;
}

// 2-D recipes need an axis before the block axis.
bool Fits(const Recipe& recipe, const Shape& shape) {
  return recipe.block_rows == 1 || shape.axis > 0;
}

class QuantizerTest : public ::testing::TestWithParam<std::string> {
 private:
  const RestoredWays restored_;
};

TEST_P(QuantizerTest, EqualsReferenceOnEveryInstructionSet) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  QuantizeOptions options;
  options.seed = 0x12345678;
  options.stream = 9;
  options.step = 0x123456789ABCDEF0;
  options.first_element = 5;  // Not where a Philox block begins.
  // The reference tries 126 scales for each block: shapes that fit into a test.
  const bool slow = recipe.scale_rule == ScaleRule::kBestOf126;
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const Shape& shape : Shapes()) {
      if (!Fits(recipe, shape)) continue;
      if (slow && shape.extents[0] * shape.extents.back() > 600) continue;
      const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
      SCOPED_TRACE(ToString(recipe) + " on " + set.name + " shape " +
                   ::testing::PrintToString(shape.extents) + " axis " +
                   std::to_string(shape.axis));
      ExpectReferenceBits(recipe, *grid, Values(grid->size(), 7), options);
      if (HasFailure()) return;
    }
  }
}

// Scales from far too small to far too large for the values, zeros, and the
// ends of FP32 and E8M0.
std::vector<float> GivenScales(int64_t n) {
  constexpr float kEnds[] = {std::numeric_limits<float>::max(),
                             0x1.8p127f,
                             0x1p127f,
                             0x1p-126f,
                             0x1.8p-127f,
                             0x1p-127f,
                             0x1p-149f};
  std::mt19937 engine(11);
  std::normal_distribution<float> normal;
  std::vector<float> scales(n);
  for (float& scale : scales) {
    scale = std::exp(4.0f * normal(engine));
    if (engine() % 8 == 0) scale = 0.0f;
    if (engine() % 8 == 0) scale = -0.0f;
    if (engine() % 16 == 0) scale = kEnds[engine() % std::size(kEnds)];
  }
  return scales;
}

TEST_P(QuantizerTest, GivenScalesEqualReferenceOnEveryInstructionSet) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const Shape& shape : Shapes()) {
      if (!Fits(recipe, shape)) continue;
      const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
      const std::vector<float> scales = GivenScales(grid->num_blocks());
      QuantizeOptions options;
      options.block_scales = scales;
      options.seed = 3;
      SCOPED_TRACE(ToString(recipe) + " on " + set.name + " shape " +
                   ::testing::PrintToString(shape.extents) + " axis " +
                   std::to_string(shape.axis));
      ExpectReferenceBits(recipe, *grid, Values(grid->size(), 7), options);
      if (HasFailure()) return;
    }
  }
}

// Codes and what a GEMM multiplies, of one quantisation; on two threads.
TEST_P(QuantizerTest, OperandValuesAreThoseOfQuantizeOperand) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  omp_set_num_threads(2);
  for (const Shape& shape : {Shape{{1090, 64}, 1}, Shape{{2, 48, 720}, 1}}) {
    const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
    const std::vector<float> x = Values(grid->size(), 5);
    std::vector<float> expected(x.size()), actual(x.size());
    const auto scale =
        QuantizeOperand(recipe, *grid, x, absl::MakeSpan(expected));
    const auto packed = Quantize(recipe, *grid, x);
    ASSERT_TRUE(packed.ok());
    const auto unpacked = OperandValues(*packed, absl::MakeSpan(actual));
    ASSERT_EQ(scale.status(), unpacked.status());
    EXPECT_EQ(scale.ok(), recipe.tensor_scale != TensorScale::kPerRow);
    if (!scale.ok()) return;
    EXPECT_EQ(*scale, *unpacked);
    EXPECT_TRUE(SameBits(expected, actual));
    const auto shorter = absl::MakeSpan(actual).subspan(1);
    EXPECT_EQ(OperandValues(*packed, shorter).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// What small tensors do not do by themselves: two threads, outputs that are
// streamed, blocks that several threads share, counters beyond 32 bits.
TEST_P(QuantizerTest, TheWaysOfLargeTensorsEqualReference) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  if (recipe.scale_rule == ScaleRule::kBestOf126) return;  // Slow.
  omp_set_num_threads(2);
  cpu::SetWorthThreadsForTest(1);
  cpu::SetStreamedBytesForTest(1);
  QuantizeOptions options;
  options.seed = 77;
  options.first_element = (int64_t{1} << 40) + 3;
  const std::vector<Shape> shapes = {
      {{70000}, 0},        {{257, 100}, 1},   {{90, 512}, 1},
      {{2, 40, 700}, 1},   {{3, 150, 40}, 1}, {{64, 32, 3, 3}, 1},
      {{40, 64, 3, 3}, 0}, {{100, 90}, 1},    {{1, 130, 33}, 1}};
  for (const Shape& shape : shapes) {
    if (!Fits(recipe, shape)) continue;
    const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
    SCOPED_TRACE(ToString(recipe) + " shape " +
                 ::testing::PrintToString(shape.extents));
    std::vector<float> x = Values(grid->size(), 13);
    ExpectReferenceBits(recipe, *grid, x, options);
    x[grid->size() / 2] = std::numeric_limits<float>::infinity();
    for (const NonFinitePolicy policy :
         {NonFinitePolicy::kRefuse, NonFinitePolicy::kSaturate,
          NonFinitePolicy::kPropagate}) {
      options.nonfinite = policy;
      ExpectReferenceBits(recipe, *grid, x, options);
    }
    options.nonfinite = NonFinitePolicy::kRefuse;
    if (HasFailure()) break;
  }
}

TEST_P(QuantizerTest, TiesOfScalesAndElements) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  if (recipe.scale_rule == ScaleRule::kBestOf126) return;  // No such ties.
  const std::vector<cpu::InstructionSet> sets = cpu::SupportedInstructionSets();
  size_t next = 0;
  for (const float amax : TieAmaxes()) {
    const std::vector<float> x = TieValues(amax);
    cpu::UseInstructionSet(sets[next++ % sets.size()].id);
    const int64_t rows = static_cast<int64_t>(x.size()) / 16;
    const auto grid = BlockGrid::Along({rows, 16}, 1, recipe);
    SCOPED_TRACE(ToString(recipe) + " amax " + std::to_string(amax));
    ExpectReferenceBits(recipe, *grid, x, {});
    if (HasFailure()) return;
  }
}

TEST_P(QuantizerTest, NonFiniteValuesUnderEveryPolicy) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Shape& shape : {Shape{{1024}, 0}, Shape{{5, 56}, 1},
                             Shape{{2, 48, 40}, 1}, Shape{{2, 48, 3, 3}, 1}}) {
    if (!Fits(recipe, shape)) continue;
    const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
    std::vector<float> x = Values(grid->size(), 3);
    x[100] = kInfinity;
    x[101] = -kInfinity;
    x[270] = std::numeric_limits<float>::quiet_NaN();
    for (const NonFinitePolicy policy :
         {NonFinitePolicy::kRefuse, NonFinitePolicy::kSaturate,
          NonFinitePolicy::kPropagate}) {
      QuantizeOptions options;
      options.nonfinite = policy;
      SCOPED_TRACE(ToString(recipe) + " policy " +
                   std::to_string(static_cast<int>(policy)) + " shape " +
                   ::testing::PrintToString(shape.extents));
      ExpectReferenceBits(recipe, *grid, x, options);
      if (HasFailure()) return;
    }
  }
}

TEST_P(QuantizerTest, ThreadsDoNotChangeBits) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  // 1090 x 64 elements: more than one thread takes them.
  const Shape shape{{1090, 64}, 1};
  const auto grid = BlockGrid::Along(shape.extents, shape.axis, recipe);
  const std::vector<float> x = Values(grid->size(), 5);
  std::vector<float> one(x.size()), two(x.size());
  omp_set_num_threads(1);
  ASSERT_TRUE(FakeQuantize(recipe, *grid, x, absl::MakeSpan(one)).ok());
  omp_set_num_threads(2);
  ASSERT_TRUE(FakeQuantize(recipe, *grid, x, absl::MakeSpan(two)).ok());
  EXPECT_TRUE(SameBits(one, two));
}

TEST_P(QuantizerTest, PiecesHaveTheBitsOfTheWhole) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  if (recipe.tensor_scale == TensorScale::kPerRow) return;  // Pieces are rows.
  constexpr int64_t kRows = 48, kCols = 320, kFirst = 16;
  const std::vector<float> x = Values(kRows * kCols, 5);
  const auto grid_of = [&](int64_t rows) {
    return BlockGrid::Along({rows, kCols}, 1, recipe).value();
  };
  if (recipe.block_cols > kCols) return;  // One block for all.
  std::vector<float> whole(x.size()), pieces(x.size());
  ASSERT_TRUE(
      FakeQuantize(recipe, grid_of(kRows), x, absl::MakeSpan(whole)).ok());
  const auto all = absl::MakeConstSpan(x);
  const absl::Span<const float> parts[] = {all.first(kFirst * kCols),
                                           all.subspan(kFirst * kCols)};
  QuantizeOptions options;
  if (recipe.tensor_scale == TensorScale::kPerTensor) {
    options.tensor_amax = 0.0f;
    for (const auto part : parts) {
      const auto amax = ScaleAmax(
          recipe, grid_of(static_cast<int64_t>(part.size()) / kCols), part);
      ASSERT_TRUE(amax.ok()) << amax.status();
      options.tensor_amax = std::max(*options.tensor_amax, *amax);
    }
  }
  for (const auto part : parts) {
    options.first_element = part.data() - x.data();
    ASSERT_TRUE(
        FakeQuantize(
            recipe, grid_of(static_cast<int64_t>(part.size()) / kCols), part,
            absl::MakeSpan(pieces).subspan(options.first_element, part.size()),
            options)
            .ok());
  }
  EXPECT_TRUE(SameBits(whole, pieces));
}

std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Recipes, QuantizerTest,
                         ::testing::ValuesIn(RecipeNames()), TestName);

}  // namespace
}  // namespace cnn_fp4::quant
