// Random recipes, shapes, values and options: the quantiser against the
// reference, and narrow tensors against widened ones. The same cases in every
// run; for others, as long as one likes:
//
//   bazel run //quant:random_cases_test -- --gtest_shuffle --gtest_repeat=1000

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "quant/both_ways.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/float16.h"
#include "quant/quantizer.h"
#include "quant/testing/hostile_environments.h"
#include "quant/testing/reference_bits.h"
#include "quant/testing/restored_ways.h"

namespace cnn_fp4::quant {
namespace {

constexpr int kCases = 1500;
constexpr int64_t kMaxSize = 40000;

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(
                       engine_() % static_cast<uint64_t>(most - least + 1));
  }
  bool OneIn(int64_t n) { return Between(1, n) == 1; }
  float Normal() { return normal_(engine_); }
  template <class Container>
  const auto& OneOf(const Container& container) {
    return container[Between(0,
                             static_cast<int64_t>(std::size(container)) - 1)];
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

struct Case {
  Recipe recipe;
  BlockGrid grid;
  std::vector<float> x;
  std::vector<float> block_scales, row_amaxes;  // What options refers to.
  QuantizeOptions options;
  std::string what;
};

std::optional<Recipe> RandomRecipe(Dice& dice) {
  static const std::vector<std::string> modifiers = {
      "",         "",          "",          "+ties_away",   "+ties_to_zero",
      "+sr8",     "+sr",       "+rht",      "+sr_unbiased", "+block=1",
      "+block=7", "+block=32", "+block=48", "+block=64",    "+block=128"};
  std::string name = dice.OneOf(RecipeRegistry()).recipe.name;
  name += dice.OneOf(modifiers);
  name += dice.OneIn(4) ? dice.OneOf(modifiers) : "";
  const absl::StatusOr<Recipe> recipe = FindRecipe(name);
  if (!recipe.ok()) return std::nullopt;
  return *recipe;
}

std::vector<int64_t> RandomShape(Dice& dice) {
  std::vector<int64_t> shape;
  int64_t size = 1;
  const int64_t rank = dice.Between(1, 5);
  for (int64_t i = 0; i < rank; ++i) {
    int64_t extent = dice.Between(1, dice.OneIn(4) ? 300 : 20);
    if (dice.OneIn(3)) extent = 16 * dice.Between(1, 4);
    if (dice.OneIn(30)) extent = 0;
    if (size * extent > kMaxSize) extent = 1;
    size *= extent;
    shape.push_back(extent);
  }
  return shape;
}

// Normal numbers of any scale: as they are, or most of them zero, or of many
// magnitudes, or with numbers that are not finite, or near ties, or all -0.
std::vector<float> RandomValues(Dice& dice, int64_t size, float scale) {
  enum { kPlain, kSparse, kSpread, kInf, kNan, kTies, kHuge, kZero, kKinds };
  const int64_t kind = dice.OneIn(2) ? 0 : dice.Between(0, kKinds - 1);
  std::vector<float> x(size);
  for (float& v : x) {
    v = dice.Normal() * scale;
    if (kind == kSparse && !dice.OneIn(3)) v = 0.0f;
    if (kind == kSpread)
      v = std::ldexp(v, static_cast<int>(dice.Between(-40, 3)));
    if (kind == kTies) v = std::round(v * 4.0f) / 4.0f;
    if (kind == kZero) v = -0.0f;
    if (!dice.OneIn(300)) continue;
    if (kind == kInf) v = -std::numeric_limits<float>::infinity();
    if (kind == kNan) v = std::numeric_limits<float>::quiet_NaN();
    if (kind == kHuge) v = std::numeric_limits<float>::max();
  }
  return x;
}

absl::StatusOr<BlockGrid> RandomGrid(Dice& dice,
                                     const std::vector<int64_t>& shape,
                                     int axis, int64_t size,
                                     const Recipe& recipe) {
  if (recipe.block_rows > 1 && shape.size() > 1 && dice.OneIn(2)) {
    const auto rank = static_cast<int64_t>(shape.size());
    const int row_axis =
        static_cast<int>((axis + dice.Between(1, rank - 1)) % rank);
    return BlockGrid::Tiles(shape, row_axis, axis, recipe);
  }
  if (dice.OneIn(7)) return BlockGrid::Flat(size, recipe);
  return BlockGrid::Along(shape, axis, recipe);
}

// Nothing if the dice gave what does not go together.
std::optional<Case> RandomCase(Dice& dice) {
  Case c;
  const std::optional<Recipe> recipe = RandomRecipe(dice);
  if (!recipe.has_value()) return std::nullopt;
  c.recipe = *recipe;
  const std::vector<int64_t> shape = RandomShape(dice);
  const int axis =
      static_cast<int>(dice.Between(0, static_cast<int64_t>(shape.size()) - 1));
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  const absl::StatusOr<BlockGrid> grid =
      RandomGrid(dice, shape, axis, size, c.recipe);
  if (!grid.ok()) return std::nullopt;
  // The reference tries 126 scales for each block.
  if (c.recipe.scale_rule == ScaleRule::kBestOf126 && size > 2000) {
    return std::nullopt;
  }
  c.grid = *grid;
  const int exponent = static_cast<int>(dice.OneIn(4) ? dice.Between(-140, 120)
                                                      : dice.Between(-10, 10));
  const float scale = std::ldexp(1.0f, exponent);
  c.x = RandomValues(dice, size, scale);

  QuantizeOptions& options = c.options;
  options.nonfinite = static_cast<NonFinitePolicy>(dice.Between(0, 2));
  options.seed = static_cast<uint32_t>(dice.Between(0, 1 << 30));
  options.stream = static_cast<uint32_t>(dice.Between(0, 5));
  options.step =
      dice.OneIn(3) ? static_cast<uint64_t>(dice.Between(0, 7)) << 31 : 0;
  // Also where the low word of the counter wraps in the middle of the tensor.
  static const std::vector<int64_t> firsts = {
      0, 5, (int64_t{16} << 32) - 403, (int64_t{4} << 32) - 403, 1L << 62};
  options.first_element = dice.OneIn(3) ? dice.OneOf(firsts) : 0;
  options.hadamard_signs = static_cast<uint16_t>(dice.Between(0, 65535));
  if (dice.OneIn(4)) options.tensor_amax = std::fabs(dice.Normal()) * scale;
  if (dice.OneIn(5)) {
    for (int64_t b = 0; b < c.grid.num_blocks(); ++b) {
      c.block_scales.push_back(dice.OneIn(9) ? 0.0f
                                             : std::exp(4.0f * dice.Normal()));
    }
  }
  if (c.recipe.tensor_scale == TensorScale::kPerRow && dice.OneIn(2)) {
    for (int64_t row = 0; row < c.grid.num_rows(); ++row) {
      c.row_amaxes.push_back(std::fabs(dice.Normal()) * scale);
    }
  }
  c.what = absl::StrCat(
      ToString(c.recipe), " shape ", absl::StrJoin(shape, "x"), " axis ", axis,
      " scale 2^", exponent, " policy ", static_cast<int>(options.nonfinite),
      options.tensor_amax.has_value() ? " given amax" : "",
      c.block_scales.empty() ? "" : " given scales",
      c.row_amaxes.empty() ? "" : " given row amaxes");
  return c;
}

// From one narrow type to the same or the other one, or in place.
void ExpectNarrowBits(const Case& c, Dice& dice) {
  const bool half_in = dice.OneIn(2), half_out = dice.OneIn(2);
  const bool in_place = half_in == half_out && dice.OneIn(2);
  SCOPED_TRACE(absl::StrCat(half_in ? "FP16" : "BF16", " to ",
                            half_out ? "FP16" : "BF16",
                            in_place ? " in place" : ""));
  const auto encode = [](float v, bool half) {
    return half ? EncodeHalf(v) : EncodeBfloat16(v);
  };
  std::vector<uint16_t> x;
  std::vector<float> wide;
  for (const float v : c.x) {
    x.push_back(encode(v, half_in));
    wide.push_back(half_in ? DecodeHalf(x.back()) : DecodeBfloat16(x.back()));
  }
  std::vector<float> expected(wide.size());
  const absl::Status status =
      FakeQuantize(c.recipe, c.grid, wide, absl::MakeSpan(expected), c.options);
  const TensorView view =
      half_in ? TensorView::Float16(x) : TensorView::Bfloat16(x);
  const auto packed = Quantize(c.recipe, c.grid, view, c.options);
  EXPECT_EQ(packed.status(), status);
  if (packed.ok()) {
    ExpectSamePacked(Quantize(c.recipe, c.grid, wide, c.options).value(),
                     *packed);
  }
  std::vector<uint16_t> other(x.size());
  std::vector<uint16_t>& y = in_place ? x : other;
  const absl::Span<uint16_t> out = absl::MakeSpan(y);
  ASSERT_EQ(FakeQuantize(c.recipe, c.grid, view,
                         half_out ? MutableTensorView::Float16(out)
                                  : MutableTensorView::Bfloat16(out),
                         c.options),
            status);
  if (!status.ok()) return;
  const float largest = c.options.nonfinite != NonFinitePolicy::kSaturate
                            ? std::numeric_limits<float>::infinity()
                            : DecodeHalf(0x7BFF);
  const float limit =
      half_out || std::isinf(largest) ? largest : DecodeBfloat16(0x7F7F);
  for (size_t i = 0; i < y.size(); ++i) {
    if (std::isnan(expected[i])) continue;
    const float limited = std::min(std::max(expected[i], -limit), limit);
    ASSERT_EQ(y[i], encode(limited, half_out)) << i << " " << wide[i];
  }
}

// As QuantizeOperand makes them: operands with the case's blocks and with those
// of another recipe, in either order, from one call.
void ExpectBothWays(const Case& c, Dice& dice) {
  const std::optional<Recipe> other = RandomRecipe(dice);
  const int64_t size = c.grid.size();
  if (!other.has_value() || size == 0 ||
      c.recipe.tensor_scale == TensorScale::kPerRow) {
    return;
  }
  // The same rows of memory, or other ones.
  const int64_t inner = c.grid.inner() > 1 ? c.grid.inner() : c.grid.cols();
  const absl::StatusOr<BlockGrid> grid =
      c.grid.inner() > 1
          ? BlockGrid::Along({size / inner, inner}, 1, *other)
          : BlockGrid::Along({1, size / inner, inner}, 1, *other);
  if (!grid.ok()) return;
  OperandOf operands[2];
  std::vector<float> values[2], alone(c.x.size());
  DistortionStats statistics[2];
  for (const int i : {0, 1}) {
    operands[i].recipe = i == 0 ? c.recipe : *other;
    operands[i].grid = i == 0 ? c.grid : *grid;
    operands[i].options = c.options;
    if (i == 1) {
      operands[i].options.tensor_amax.reset();
      operands[i].options.row_amaxes = {};
      operands[i].options.block_scales = {};
      operands[i].options.stream += 1;
    }
    values[i].resize(c.x.size());
    operands[i].values = absl::MakeSpan(values[i]);
    if (dice.OneIn(2)) operands[i].statistics = &statistics[i];
  }
  const int rows = c.grid.inner() > 1 ? 1 : 0;
  BothWays both{operands[rows], operands[1 - rows]};
  const absl::Status status = QuantizeBothWays(c.x, both);
  absl::Status expected;
  for (const OperandOf* made : {&both.rows, &both.columns}) {
    SCOPED_TRACE(absl::StrCat("both ways, ", ToString(made->recipe)));
    const absl::StatusOr<float> scale = QuantizeOperand(
        made->recipe, made->grid, c.x, absl::MakeSpan(alone), made->options);
    expected.Update(scale.status());
    if (!status.ok() || !scale.ok()) continue;
    EXPECT_EQ(made->tensor_scale, *scale);
    EXPECT_TRUE(SameBits(
        alone, std::vector<float>(made->values.begin(), made->values.end())));
    if (made->statistics == nullptr) continue;
    EXPECT_EQ(made->statistics->count() + made->statistics->nonfinite(), size);
    EXPECT_EQ(made->statistics->codes().total(), made->statistics->count());
  }
  EXPECT_EQ(status.ok(), expected.ok()) << status << " and " << expected;
}

TEST(RandomCases, HaveTheBitsOfTheReference) {
  const std::vector<cpu::InstructionSet> sets = cpu::SupportedInstructionSets();
  const RestoredWays restored;
  Dice dice(
      static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  int quantized = 0;
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    std::optional<Case> c = RandomCase(dice);
    if (!c.has_value()) continue;
    c->options.block_scales = c->block_scales;
    c->options.row_amaxes = c->row_amaxes;
    const cpu::InstructionSet& set = dice.OneOf(sets);
    cpu::UseInstructionSet(set.id);
    omp_set_num_threads(static_cast<int>(dice.Between(1, 2)));
    // Small tensors also go the ways of large ones.
    cpu::SetWorthThreadsForTest(dice.OneIn(2) ? 1 : 65536);
    cpu::SetStreamedBytesForTest(dice.OneIn(2) ? 1 : 0);
    const Environment& environment =
        dice.OneIn(2) ? kUsual : dice.OneOf(kHostileEnvironments);
    const int64_t shift = dice.OneIn(2) ? 0 : dice.Between(1, 15);
    SCOPED_TRACE(absl::StrCat("case ", i, ", ", set.name, ", ",
                              environment.name, ", ", shift,
                              " elements off: ", c->what));
    Set(environment);
    const bool ok =
        ExpectReferenceBits(c->recipe, c->grid, c->x, c->options, shift);
    Set(kUsual);
    if (!ok) continue;
    ++quantized;
    ExpectNarrowBits(*c, dice);
    ExpectBothWays(*c, dice);
  }
  if (!HasFailure()) {
    // The dice shall not throw mostly what is refused.
    EXPECT_GT(quantized, kCases / 2);
  }
}

}  // namespace
}  // namespace cnn_fp4::quant
