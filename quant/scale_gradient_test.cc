#include "quant/scale_gradient.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/formats/e4m3.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

using ::testing::HasSubstr;

constexpr int kRows = 3;
constexpr int kLength = 40;
constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

// A third of each row lies beyond 6 scales.
std::vector<float> Source() {
  std::vector<float> x;
  for (int i = 0; i < kRows * kLength; ++i) {
    x.push_back(
        static_cast<float>(std::sin(1.7 * i) * 0.9 * (1 + i / kLength)));
  }
  return x;
}

std::vector<float> Upstream() {
  std::vector<float> dy;
  for (int i = 0; i < kRows * kLength; ++i) {
    dy.push_back(static_cast<float>(std::cos(0.3 * i)));
  }
  return dy;
}

struct Forward {
  std::vector<float> values, stored;
  float tensor_scale = 1;
};

// With scales that E4M3 has (two levels) or any (FP32).
Forward Quantized(const std::vector<float>& x, const std::vector<float>& scales,
                  bool e4m3) {
  const auto recipe = FindRecipe(e4m3 ? "nvfp4+block=0" : "fp4_per_channel");
  EXPECT_TRUE(recipe.ok()) << recipe.status();
  const auto grid = BlockGrid::Along({kRows, kLength}, 1, *recipe);
  QuantizeOptions options;
  Forward forward;
  if (e4m3) {
    const float top = *std::max_element(scales.begin(), scales.end());
    options.tensor_amax = 6 * top;
    forward.tensor_scale = 6 * top / 2688;
  }
  std::vector<float> units;
  for (const float scale : scales) {
    units.push_back(scale / forward.tensor_scale);
    forward.stored.push_back(e4m3 ? DecodeE4m3(EncodeE4m3(units.back()))
                                  : units.back());
  }
  options.block_scales = units;
  forward.values.resize(x.size());
  const auto scale = QuantizeOperand(*recipe, *grid, x,
                                     absl::MakeSpan(forward.values), options);
  EXPECT_TRUE(scale.ok()) << scale.status();
  EXPECT_FLOAT_EQ(*scale, forward.tensor_scale);
  return forward;
}

// sum of dy * y of the documented surrogate, in FP64, with the rounding errors
// of the point (x0, s0) as constants.
double Surrogate(const std::vector<float>& dy, const std::vector<double>& x,
                 const std::vector<double>& scales, const Forward& at,
                 const std::vector<double>& x0, const std::vector<double>& s0) {
  const auto clip = [](double v) { return std::min(std::max(v, -6.0), 6.0); };
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t row = i / kLength;
    const double q = at.values[i] / at.stored[row];
    const double r = q - clip(x0[i] / s0[row]);
    sum += dy[i] * scales[row] * (clip(x[i] / scales[row]) + r);
  }
  return sum;
}

TEST(ScaleGradient, IsTheDerivativeOfTheSurrogate) {
  for (const bool e4m3 : {false, true}) {
    const std::vector<float> x = Source(), dy = Upstream();
    const Forward forward = Quantized(x, {0.11f, 0.2f, 0.37f}, e4m3);
    std::vector<float> dx(x.size()), ds(kRows);
    ASSERT_TRUE(
        ScaleGradient({x, forward.values, forward.stored, forward.tensor_scale},
                      dy, absl::MakeSpan(dx), absl::MakeSpan(ds))
            .ok());
    const std::vector<double> x0(x.begin(), x.end());
    std::vector<double> s0;
    for (const float stored : forward.stored) {
      s0.push_back(double{stored} * double{forward.tensor_scale});
    }
    constexpr double kStep = 1e-6;
    for (int row = 0; row < kRows; ++row) {
      std::vector<double> more = s0, less = s0;
      more[row] += kStep;
      less[row] -= kStep;
      const double numeric = (Surrogate(dy, x0, more, forward, x0, s0) -
                              Surrogate(dy, x0, less, forward, x0, s0)) /
                             (2 * kStep);
      double weight = 0;
      for (int i = 0; i < kLength; ++i) {
        weight += std::abs(dy[row * kLength + i]);
      }
      EXPECT_NEAR(ds[row], numeric, kScaleGradientTolerance * kEpsilon * weight)
          << row << " e4m3 " << e4m3;
    }
    int clipped = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      std::vector<double> more = x0, less = x0;
      more[i] += kStep;
      less[i] -= kStep;
      const double numeric = (Surrogate(dy, more, s0, forward, x0, s0) -
                              Surrogate(dy, less, s0, forward, x0, s0)) /
                             (2 * kStep);
      // dy or nothing; the rest is that of the difference quotient.
      EXPECT_NEAR(dx[i], numeric, kEpsilon) << i;
      clipped += dx[i] == 0;
    }
    EXPECT_GT(clipped, 10);
    EXPECT_LT(clipped, 100);
  }
}

TEST(ScaleGradient, InPlaceAndAScaleOfZero) {
  const std::vector<float> x = {1, 2, 3, 4}, values = {0, 0, 3, 4};
  std::vector<float> dy = {1, 1, 1, 1}, ds(2);
  ASSERT_TRUE(ScaleGradient({x, values, std::vector<float>{0, 1}}, dy,
                            absl::MakeSpan(dy), absl::MakeSpan(ds))
                  .ok());
  EXPECT_THAT(dy, ::testing::ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(ds, ::testing::ElementsAre(0, 0));
}

TEST(ScaleGradient, SizesThatDoNotFitAreRefused) {
  std::vector<float> five(5), two(2);
  const absl::Status status = ScaleGradient(
      {five, five, two}, five, absl::MakeSpan(five), absl::MakeSpan(two));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("x 5"));
}

}  // namespace
}  // namespace cnn_fp4::quant
