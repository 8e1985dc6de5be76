// What must hold for the quantiser whatever the numbers are.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/distortion.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"
#include "quant/quantizer.h"
#include "quant/random_hadamard.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

using Values = std::vector<float>;

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

Values Gaussian(size_t n, uint32_t seed = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Values x(n);
  for (float& v : x) v = normal(engine);
  return x;
}

Values Fake(const Recipe& recipe, const Values& x, int64_t rows,
            const QuantizeOptions& options = {}) {
  const int64_t cols = static_cast<int64_t>(x.size()) / rows;
  const BlockGrid grid = BlockGrid::Along({rows, cols}, 1, recipe).value();
  Values y(x.size());
  const absl::Status status =
      FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options);
  EXPECT_TRUE(status.ok()) << status;
  return y;
}

Values Scaled(const Values& x, float factor) {
  Values y = x;
  for (float& v : y) v *= factor;
  return y;
}

class EveryRecipe : public ::testing::TestWithParam<std::string> {
 protected:
  Recipe recipe_ = FindRecipe(GetParam()).value();
};

TEST_P(EveryRecipe, SignSymmetry) {
  const Values x = Gaussian(32 * 64);
  EXPECT_EQ(Fake(recipe_, Scaled(x, -1.0f), 32),
            Scaled(Fake(recipe_, x, 32), -1.0f));
}

TEST_P(EveryRecipe, PowerOfTwoEquivariance) {
  const Values x = Gaussian(32 * 64);
  // Rules without a tensor scale follow only while E4M3 is normal, and the
  // floors of others are absolute.
  const bool bounded = recipe_.scale_rule == ScaleRule::kOneLevel;
  for (const int k :
       bounded ? std::vector<int>{-2, 3} : std::vector<int>{-20, -1, 5, 30}) {
    const float factor = std::ldexp(1.0f, k);
    EXPECT_EQ(Fake(recipe_, Scaled(x, factor), 32),
              Scaled(Fake(recipe_, x, 32), factor))
        << k;
  }
}

// Rules that compare errors choose the same scales for 2^k x as for x, from
// where the scale chain itself meets no subnormals to the largest floats.
TEST_P(EveryRecipe, ChoicesArePowerOfTwoEquivariant) {
  if (!ComparesErrors(recipe_.scale_rule)) return;
  Values x = Gaussian(32 * 64);
  // Blocks of many magnitudes; of BF16's precision, so that the smallest are
  // exact as subnormals, too.
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = BitCast<float>(BitCast<uint32_t>(x[i]) & 0xFFFF0000u);
    x[i] = std::ldexp(x[i], -static_cast<int>(i / 16 % 13));
  }
  const BlockGrid grid = BlockGrid::Along({32, 64}, 1, recipe_).value();
  const PackedTensor expected = Quantize(recipe_, grid, x).value();
  for (const int k : {-100, -80, -60, -30, 1, 30, 60, 70, 100, 125}) {
    const PackedTensor packed =
        Quantize(recipe_, grid, Scaled(x, std::ldexp(1.0f, k))).value();
    EXPECT_EQ(packed.scales, expected.scales) << k;
    EXPECT_EQ(packed.codes, expected.codes) << k;
  }
}

TEST_P(EveryRecipe, ZerosStayZeros) {
  for (const float zero : {0.0f, -0.0f}) {
    const Values x(16 * 48, zero);
    for (const float y : Fake(recipe_, x, 16)) {
      ASSERT_EQ(BitCast<uint32_t>(y), BitCast<uint32_t>(zero));
    }
  }
  Values x = Gaussian(16 * 64);
  std::fill(x.begin() + 64, x.begin() + 128, 0.0f);
  const Values y = Fake(recipe_, x, 16);
  for (int i = 64; i < 128; ++i) ASSERT_EQ(y[i], 0.0f);
}

TEST_P(EveryRecipe, ExtremesNeverGiveNan) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  for (const Values& pattern :
       {Values{kMax, -kMax, 1.0f, 0.0f}, Values{kTiny, -kTiny, 0.0f, -0.0f},
        Values{kMax, kTiny, -0.0f, 1e-20f}, Values{1e-38f, 1e-40f, 1e-45f, 0},
        Values{1e-30f, 1e-36f, -1e-38f, 3e-39f}}) {
    Values x(16 * 32);
    for (size_t i = 0; i < x.size(); ++i) x[i] = pattern[i % pattern.size()];
    const Values y = Fake(recipe_, x, 16);
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_FALSE(std::isnan(y[i])) << x[i] << " of " << pattern[0];
      ASSERT_EQ(std::signbit(y[i]), std::signbit(x[i])) << x[i];
    }
  }
}

TEST_P(EveryRecipe, RepresentableBlocksAreFixedPoints) {
  // Every block holds a 6 (or, for rules that map the amax elsewhere, what they
  // map it to), so that its scale is 1 and each value is on the grid.
  const bool four = recipe_.scale_rule == ScaleRule::kStaticFour ||
                    recipe_.scale_rule == ScaleRule::kPow2Ceil;
  const float largest = four ? 4.0f : 6.0f;
  std::mt19937 engine(3);
  Values x(16 * 64);
  for (size_t i = 0; i < x.size(); ++i) {
    do {
      x[i] = DecodeE2m1(engine() % 16);
    } while (std::fabs(x[i]) > largest);
    if (i % 16 == 5) x[i] = largest;
  }
  EXPECT_EQ(Fake(recipe_, x, 16), x);
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const NamedRecipe& named : RecipeRegistry()) {
    names.push_back(named.recipe.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryRecipe, ::testing::ValuesIn(Names()),
                         [](const ::testing::TestParamInfo<std::string>& i) {
                           return i.param;
                         });

TEST(Properties, TilesCommuteWithTransposition) {
  const Recipe recipe = FindRecipe("nvfp4_2d").value();
  constexpr int64_t kRows = 40, kCols = 56;
  const Values x = Gaussian(kRows * kCols);
  const auto transpose = [](const Values& v, int64_t rows, int64_t cols) {
    Values t(v.size());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) t[c * rows + r] = v[r * cols + c];
    }
    return t;
  };
  EXPECT_EQ(transpose(Fake(recipe, x, kRows), kRows, kCols),
            Fake(recipe, transpose(x, kRows, kCols), kCols));
  // Tiles over the first two axes of a kernel, either way round.
  const auto one = BlockGrid::Tiles({40, 28, 3}, 0, 1, recipe);
  const auto other = BlockGrid::Tiles({40, 28, 3}, 1, 0, recipe);
  Values a(40 * 28 * 3), b(a.size());
  const Values w = Gaussian(a.size());
  ASSERT_TRUE(FakeQuantize(recipe, *one, w, absl::MakeSpan(a)).ok());
  ASSERT_TRUE(FakeQuantize(recipe, *other, w, absl::MakeSpan(b)).ok());
  EXPECT_EQ(a, b);
}

TEST(Properties, FourOverSixIsNeverWorseThanStaticSixAtTheSameRange) {
  const Values x = Gaussian(64 * 64);
  Recipe six = FindRecipe("nvfp4").value();
  Recipe choice = FindRecipe("nvfp4_four_over_six_448").value();
  const Values y6 = Fake(six, x, 64);
  const Values y46 = Fake(choice, x, 64);
  int better = 0;
  for (size_t b = 0; b < x.size(); b += 16) {
    double e6 = 0.0, e46 = 0.0;
    for (size_t i = b; i < b + 16; ++i) {
      e6 += std::pow(static_cast<double>(y6[i]) - x[i], 2);
      e46 += std::pow(static_cast<double>(y46[i]) - x[i], 2);
    }
    EXPECT_LE(e46, e6 * (1.0 + kComparedErrorTolerance * kEpsilon));
    better += e46 < e6;
  }
  EXPECT_GT(better, 50);
}

TEST(Properties, MseIsTheBestOfTheE4m3Scales) {
  const Values x = Gaussian(64 * 64);
  const auto error = [&](const char* name) {
    const Recipe recipe = FindRecipe(name).value();
    DistortionStats stats;
    const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
    EXPECT_TRUE(stats.Add(x, Quantize(recipe, grid, x).value()).ok());
    return stats.MeanSquaredError();
  };
  const double best = error("nvfp4_mse");
  EXPECT_LT(best, error("nvfp4"));
  EXPECT_LT(best, error("nvfp4_four_over_six_448"));
}

// Mean of N draws tends to x as 1/sqrt(N), and each is one of x's two
// neighbours on its block's grid.
TEST(Properties, StochasticRoundingIsUnbiasedAndLocal) {
  constexpr int kDraws = 400;
  const Values x = Gaussian(1024);
  for (const char* name : {"nvfp4+sr_unbiased", "mxfp4+sr"}) {
    const Recipe recipe = FindRecipe(name).value();
    const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
    // 6 times each block's scale, by way of codes that are all 6.
    PackedTensor sixes = Quantize(recipe, grid, x).value();
    std::fill(sixes.codes.begin(), sixes.codes.end(), 0x77);
    Values six(x.size());
    ASSERT_TRUE(Dequantize(sixes, absl::MakeSpan(six)).ok());
    std::vector<double> mean(x.size(), 0.0);
    for (int d = 0; d < kDraws; ++d) {
      QuantizeOptions options;
      options.seed = d;
      const Values y = Fake(recipe, x, 1, options);
      for (size_t i = 0; i < x.size(); ++i) {
        mean[i] += y[i] / static_cast<double>(kDraws);
        const double scale = six[i] / 6.0;
        const float m = static_cast<float>(std::fabs(x[i]) / scale);
        ASSERT_LE(std::fabs(y[i] - x[i]) / scale, E2m1Step(m) * 1.00001) << i;
      }
    }
    double bias = 0.0;
    double bound = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double scale = six[i] / 6.0;
      const float m = static_cast<float>(std::fabs(x[i]) / scale);
      bias += std::pow(mean[i] - x[i], 2);
      // The variance of a draw is at most a quarter of the squared step.
      bound += std::pow(E2m1Step(m) * scale, 2) / 4.0 / kDraws;
    }
    EXPECT_LT(bias, bound) << name;
    EXPECT_GT(bias, bound / 10.0) << name;
  }
}

TEST(Properties, StochasticDrawsDependOnSeedStreamAndIndexAlone) {
  const Recipe recipe = FindRecipe("mxfp4+block=16+sr8").value();
  const Values x = Gaussian(160);
  QuantizeOptions options;
  options.seed = 1;
  const Values first = Fake(recipe, x, 1, options);
  EXPECT_EQ(first, Fake(recipe, x, 1, options));
  options.stream = 1;
  EXPECT_NE(first, Fake(recipe, x, 1, options));
  options.stream = 0;
  // A longer tensor begins with the same draws.
  Values longer = x;
  longer.insert(longer.end(), x.begin(), x.end());
  Values y = Fake(recipe, longer, 1, options);
  y.resize(x.size());
  EXPECT_EQ(first, y);
}

// The matrix, entry by entry: Sylvester's H16[i][j] = (-1)^popcount(i & j),
// rows with the signs that the contract names.
TEST(Properties, HadamardIsSylvestersWithTheNamedSigns) {
  constexpr int kSigns[16] = {1,  1,  1,  -1, 1,  -1, -1, -1,
                              -1, -1, -1, 1,  -1, 1,  -1, -1};
  for (int i = 0; i < 16; ++i) {
    Values x(16, 0.0f), y(16);
    x[i] = 1.0f;
    ASSERT_TRUE(RotateGroups(x, kDefaultHadamardSigns, absl::MakeSpan(y)).ok());
    for (int j = 0; j < 16; ++j) {
      const int parity = __builtin_popcount(static_cast<unsigned>(i & j)) % 2;
      EXPECT_EQ(y[j], 0.25f * static_cast<float>(kSigns[i]) *
                          (parity == 0 ? 1.0f : -1.0f))
          << i << " " << j;
    }
  }
  EXPECT_EQ(QuantizeOptions().hadamard_signs, kDefaultHadamardSigns);
}

TEST(Properties, HadamardKeepsProductsAndHasAnInverse) {
  const Values a = Gaussian(16 * 8, 1);
  const Values b = Gaussian(16 * 8, 2);
  const auto dot = [](const Values& u, const Values& v) {
    double sum = 0.0;
    for (size_t i = 0; i < u.size(); ++i) {
      sum += static_cast<double>(u[i]) * v[i];
    }
    return sum;
  };
  // L1 norm of the group of 16 that element i is in.
  const auto norm = [](const Values& u, size_t i) {
    double sum = 0.0;
    const size_t first = i - i % kHadamardSize;
    for (size_t k = first; k < first + kHadamardSize; ++k) {
      sum += std::fabs(u[k]);
    }
    return sum;
  };
  // Errors of both operands, each of up to 16 elements, a quarter each.
  const auto product_tolerance = [&](const Values& u, const Values& v) {
    double sum = 0.0;
    for (size_t i = 0; i < u.size(); i += kHadamardSize) {
      sum += norm(u, i) * norm(v, i);
    }
    return 2.0 * kHadamardTolerance * kEpsilon * sum;
  };
  for (const uint16_t signs :
       {kDefaultHadamardSigns, DrawHadamardSigns({7, 1})}) {
    Values ra(a.size()), rb(b.size()), back(a.size());
    ASSERT_TRUE(RotateGroups(a, signs, absl::MakeSpan(ra)).ok());
    ASSERT_TRUE(RotateGroups(b, signs, absl::MakeSpan(rb)).ok());
    ASSERT_TRUE(UnrotateGroups(ra, signs, absl::MakeSpan(back)).ok());
    EXPECT_NEAR(dot(ra, rb), dot(a, b), product_tolerance(a, b));
    EXPECT_NEAR(dot(ra, ra), dot(a, a), product_tolerance(a, a));
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(back[i], a[i],
                  2.0 * kHadamardTolerance * kEpsilon * norm(a, i));
    }
  }
  Values odd(17);
  EXPECT_FALSE(RotateGroups(odd, 0, absl::MakeSpan(odd)).ok());
}

TEST(Properties, HadamardRefusesShortGroups) {
  const Recipe recipe = FindRecipe("nvfp4+rht").value();
  const BlockGrid grid = BlockGrid::Flat(40, recipe).value();
  Values y(40);
  const absl::Status status =
      FakeQuantize(recipe, grid, Gaussian(40), absl::MakeSpan(y));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(Properties, GivenScalesAreUsed) {
  const Recipe recipe = FindRecipe("nvfp4").value();
  const Values x = Gaussian(64);
  const BlockGrid grid = BlockGrid::Flat(64, recipe).value();
  const PackedTensor from_amax = Quantize(recipe, grid, x).value();
  std::vector<float> scales;
  for (int b = 0; b < 4; ++b) scales.push_back(static_cast<float>(16 << b));
  QuantizeOptions options;
  options.block_scales = scales;
  const PackedTensor given = Quantize(recipe, grid, x, options).value();
  EXPECT_EQ(given.scales, (std::vector<uint8_t>{0x58, 0x60, 0x68, 0x70}));
  EXPECT_EQ(given.tensor_scales, from_amax.tensor_scales);
  options.block_scales = absl::MakeSpan(scales).subspan(1);
  EXPECT_FALSE(Quantize(recipe, grid, x, options).ok());
}

TEST(Properties, GivenAmaxEqualsTheTensorsOwn) {
  const Values x = Gaussian(4096);
  QuantizeOptions options;
  options.tensor_amax = Amax(x).value();
  const Recipe recipe = FindRecipe("nvfp4").value();
  EXPECT_EQ(Fake(recipe, x, 1, options), Fake(recipe, x, 1));
}

}  // namespace
}  // namespace cnn_fp4::quant
