#include "quant/distortion.h"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

std::vector<float> Gaussian(size_t n) {
  std::mt19937 engine(11);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(engine);
  return x;
}

DistortionStats StatsOf(const char* recipe_name, const std::vector<float>& x) {
  const Recipe recipe = FindRecipe(recipe_name).value();
  const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
  DistortionStats stats;
  EXPECT_TRUE(stats.Add(x, Quantize(recipe, grid, x).value()).ok());
  return stats;
}

TEST(DistortionStats, CountsByHand) {
  const std::vector<float> x = {0.0f, 0.2f, -0.2f, 1.0f, 7.0f, 5.5f, -6.5f};
  const std::vector<float> y = {0.0f, 0.0f, -0.0f, 1.0f, 6.0f, 6.0f, -6.0f};
  const std::vector<uint8_t> codes = {0, 0, 8, 2, 7, 7, 15};
  DistortionStats stats;
  ASSERT_TRUE(stats.Add(x, y, codes).ok());
  EXPECT_EQ(stats.count(), 7);
  EXPECT_EQ(stats.exact(), 2);
  EXPECT_EQ(stats.underflow(), 2);  // The zero itself does not count.
  EXPECT_EQ(stats.saturated(), 2);  // 5.5 was rounded, not clipped.
  EXPECT_DOUBLE_EQ(stats.UnderflowShare(), 2.0 / 6.0);
  EXPECT_DOUBLE_EQ(stats.SaturationShare(), 2.0 / 7.0);
  EXPECT_DOUBLE_EQ(stats.MaxAbsError(), 1.0);
  const double small = 2.0 * static_cast<double>(0.2f) * 0.2f;
  EXPECT_DOUBLE_EQ(stats.MeanSquaredError(), (small + 1.5) / 7.0);
  EXPECT_EQ(stats.CodesUsed(), 4);  // 0, 1, 6, -6.
  EXPECT_EQ(stats.code_counts()[8], 1);
  const double p = 3.0 / 7.0, q = 2.0 / 7.0, r = 1.0 / 7.0;
  EXPECT_DOUBLE_EQ(stats.EntropyBits(), -p * std::log2(p) - q * std::log2(q) -
                                            2.0 * r * std::log2(r));
}

TEST(DistortionStats, NonFinitePairsAreLeftOut) {
  const float infinity = std::numeric_limits<float>::infinity();
  DistortionStats stats;
  ASSERT_TRUE(
      stats.Add({infinity, 1.0f, std::nanf("")}, {6.0f, 1.0f, 0.0f}, {7, 2, 0})
          .ok());
  EXPECT_EQ(stats.nonfinite(), 2);
  EXPECT_EQ(stats.count(), 1);
  EXPECT_EQ(stats.exact(), 1);
  EXPECT_EQ(stats.underflow(), 0);
  EXPECT_EQ(stats.saturated(), 0);
  EXPECT_EQ(stats.SqnrDb(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(stats.CodesUsed(), 1);
}

TEST(DistortionStats, WithoutCodesTheSumsAreTheSame) {
  const std::vector<float> x = {0.0f, 0.2f, -0.2f, 1.0f, 7.0f, 5.5f, -6.5f};
  const std::vector<float> y = {0.0f, 0.0f, -0.0f, 1.0f, 6.0f, 6.0f, -6.0f};
  DistortionStats with, without;
  ASSERT_TRUE(with.Add(x, y, {0, 0, 8, 2, 7, 7, 15}).ok());
  ASSERT_TRUE(without.Add(x, y).ok());
  EXPECT_EQ(without.count(), 7);
  EXPECT_EQ(without.exact(), 2);
  EXPECT_EQ(without.underflow(), 2);
  EXPECT_EQ(without.SqnrDb(), with.SqnrDb());
  EXPECT_EQ(without.Cosine(), with.Cosine());
  EXPECT_EQ(without.MaxAbsError(), 1.0);
  EXPECT_EQ(without.saturated(), 0);
  EXPECT_EQ(without.codes().total(), 0);
}

TEST(DistortionStats, EmptyIsDefined) {
  const DistortionStats stats;
  EXPECT_TRUE(std::isnan(stats.SqnrDb()));
  EXPECT_TRUE(std::isnan(stats.Cosine()));
  EXPECT_EQ(stats.EntropyBits(), 0.0);
  EXPECT_EQ(stats.MeanSquaredError(), 0.0);
  EXPECT_EQ(stats.UnderflowShare(), 0.0);
}

// Published and measured levels on N(0, 1): a recipe that silently computed
// something else would leave its interval.
TEST(DistortionStats, SqnrOfGaussianIsThatOfTheRecipe) {
  const struct {
    const char* recipe;
    double low, high;
  } kLevels[] = {
      {"nvfp4", 20.3, 20.6},
      {"nvfp4_static4", 20.0, 20.35},
      {"nvfp4_four_over_six", 21.0, 21.4},
      {"pow2_1x16", 18.8, 19.1},
      {"mxfp4", 18.6, 18.9},
      {"mxfp4_floor", 18.6, 19.0},
      {"mxfp4_ceil", 16.6, 17.0},
      {"mxfp4_even", 18.85, 19.2},
      {"nvfp4+sr", 17.1, 17.4},
      {"nvfp4+sr_unbiased", 16.1, 16.5},
  };
  const std::vector<float> x = Gaussian(1 << 16);
  for (const auto& level : kLevels) {
    const double sqnr = StatsOf(level.recipe, x).SqnrDb();
    EXPECT_GT(sqnr, level.low) << level.recipe;
    EXPECT_LT(sqnr, level.high) << level.recipe;
  }
}

TEST(DistortionStats, MergeIsAddition) {
  const std::vector<float> x = Gaussian(4096);
  const std::vector<float> first(x.begin(), x.begin() + 1024);
  const std::vector<float> second(x.begin() + 1024, x.end());
  const DistortionStats whole = StatsOf("pow2_1x16", x);
  DistortionStats merged = StatsOf("pow2_1x16", first);
  merged.Merge(StatsOf("pow2_1x16", second));
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.code_counts(), whole.code_counts());
  EXPECT_EQ(merged.underflow(), whole.underflow());
  EXPECT_EQ(merged.MaxAbsError(), whole.MaxAbsError());
  EXPECT_NEAR(merged.SqnrDb(), whole.SqnrDb(), 1e-9);
  EXPECT_NEAR(merged.Cosine(), whole.Cosine(), 1e-12);
}

TEST(DistortionStats, TheSameBitsOnEveryInstructionSet) {
  for (const size_t n : {2, 15, 16, 333, 70000}) {
    std::vector<float> x = Gaussian(n);
    if (n > 40) x[37] = std::numeric_limits<float>::infinity();
    std::vector<float> y(n);
    std::vector<uint8_t> codes(n);
    for (size_t i = 0; i < n; ++i) {
      codes[i] = static_cast<uint8_t>(i % 16);
      y[i] = i % 5 == 0 ? 0.0f : x[i] * 0.875f;
    }
    const auto bits = [&] {
      DistortionStats stats;
      EXPECT_TRUE(stats.Add(x, y, codes).ok());
      return std::tuple(stats.SqnrDb(), stats.Cosine(), stats.MaxAbsError(),
                        stats.count(), stats.exact(), stats.underflow(),
                        stats.saturated(), stats.code_counts(),
                        LowestCenteredSqnrDb(x, y, 1));
    };
    const auto expected = bits();
    for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
      cpu::UseInstructionSet(set.id);
      EXPECT_EQ(bits(), expected) << set.name << " " << n;
    }
    cpu::UseInstructionSet(0);
  }
}

TEST(DistortionStats, RefusesWhatDoesNotFit) {
  DistortionStats stats;
  EXPECT_FALSE(stats.Add({1.0f}, {1.0f, 2.0f}, {2, 2}).ok());
  EXPECT_FALSE(stats.Add({1.0f}, {1.0f}, {16}).ok());
  EXPECT_FALSE(stats.Add({1.0f}, {1.0f, 2.0f}).ok());
  EXPECT_EQ(stats.count(), 0);
}

TEST(LowestCenteredSqnrDb, IsThatOfTheWorstSliceAboutItsOwnMean) {
  // Spread 2 and noise 1/32; spread 2 and noise 2; no spread; no error.
  const std::vector<float> x = {99, 101, -5, -7, 3, 3, 1, 2};
  const std::vector<float> y = {99.125f, 101.125f, -4, -8, 4, 4, 1, 2};
  EXPECT_NEAR(LowestCenteredSqnrDb(x, y, 4), 0, 1e-12);
  EXPECT_NEAR(LowestCenteredSqnrDb(absl::MakeConstSpan(x).first(2),
                                   absl::MakeConstSpan(y).first(2), 1),
              10 * std::log10(64), 1e-12);
  // What lies between the slices' means is no spread of either.
  EXPECT_LT(LowestCenteredSqnrDb(x, y, 4), LowestCenteredSqnrDb(x, y, 1));
  EXPECT_EQ(LowestCenteredSqnrDb(absl::MakeConstSpan(x).last(2),
                                 absl::MakeConstSpan(y).last(2), 1),
            std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(LowestCenteredSqnrDb({3, 3}, {4, 4}, 1)));
  EXPECT_TRUE(std::isnan(LowestCenteredSqnrDb({}, {}, 1)));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NEAR(LowestCenteredSqnrDb({-5, nan, -7}, {-4, 1, -8}, 1), 0, 1e-12);
}

}  // namespace
}  // namespace cnn_fp4::quant
