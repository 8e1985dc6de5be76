// Operands that are multiplied by a power of two before they are quantised.

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

OperandFormat Format(const std::string& recipe) {
  return {*quant::FindRecipe(recipe), Blocking::kReductionAxis};
}

TEST(PowerOfTwoScale, BringsAmaxToTheTopOfNvfp4WithoutATensorScale) {
  const auto scale = [](std::vector<float> values) {
    return PowerOfTwoScale(at::tensor(values)).item<float>();
  };
  EXPECT_EQ(scale({0, 2688, 1}), 1);
  EXPECT_EQ(scale({std::nextafter(2688.0f, kInfinity)}), 0.5f);
  EXPECT_EQ(scale({1344}), 2);
  EXPECT_EQ(scale({std::nextafter(1344.0f, kInfinity)}), 1);
  EXPECT_EQ(scale({-21, 3}), 128);
  EXPECT_EQ(scale({1e-7f, -2e-7f}), std::ldexp(1.0f, 33));
  EXPECT_EQ(scale({std::ldexp(1.0f, -149)}), std::ldexp(1.0f, 126));
  EXPECT_EQ(scale({std::numeric_limits<float>::max()}), std::ldexp(1.0f, -117));
  EXPECT_TRUE(std::isfinite(scale({0, 0})));
  EXPECT_TRUE(std::isfinite(scale({kInfinity})));
}

// Gradients whose amplitude is 2^-20, and whose channels differ by 2^6.
at::Tensor SmallGradients() {
  torch::manual_seed(3);
  const at::Tensor rows = at::pow(2.0, at::arange(-26, -18).to(at::kFloat));
  return at::randn({2, 32, 8, 6}) * rows.view({1, 1, 8, 1});
}

// What the operand stands for.
at::Tensor Meaning(const at::Tensor& tensor, const std::string& recipe,
                   bool scaled, quant::PackedTensor* packed = nullptr) {
  OperandFormat format = Format(recipe);
  format.scaled = scaled;
  quant::QuantizeOptions options;
  options.seed = 7;
  std::optional<QuantizedOperand> apart;
  const absl::StatusOr<GemmOperand> made =
      MakeGemmOperand(tensor, Operand::kDgradDy, {}, format, options, &apart);
  EXPECT_TRUE(made.ok()) << made.status();
  if (packed != nullptr) *packed = apart->packed;
  const absl::StatusOr<GemmOperand> alone =
      MakeGemmOperand(tensor, Operand::kDgradDy, {}, format, options);
  EXPECT_TRUE(at::equal(alone->values, made->values));
  EXPECT_TRUE(at::equal(alone->scale, made->scale));
  return made->values * made->scale;
}

TEST(ScaledOperand, ATensorScaleOrAnE8m0ScaleHasNoUseForIt) {
  const at::Tensor dy = SmallGradients();
  for (const std::string recipe :
       {"nvfp4", "nvfp4+sr", "nvfp4_four_over_six"}) {
    quant::PackedTensor with, without;
    EXPECT_TRUE(at::equal(Meaning(dy, recipe, true, &with),
                          Meaning(dy, recipe, false, &without)))
        << recipe;
    // To the bit of every code and block scale.
    EXPECT_EQ(with.codes, without.codes) << recipe;
    EXPECT_EQ(with.scales, without.scales) << recipe;
  }
  for (const std::string recipe : {"mxfp4", "mxfp4+sr", "pow2_1x16"}) {
    quant::PackedTensor with, without;
    EXPECT_TRUE(at::equal(Meaning(dy, recipe, true, &with),
                          Meaning(dy, recipe, false, &without)))
        << recipe;
    EXPECT_EQ(with.codes, without.codes) << recipe;
    EXPECT_NE(with.scales, without.scales) << recipe;
  }
}

TEST(ScaledOperand, WithoutATensorScaleSmallGradientsVanishUnlessScaled) {
  const at::Tensor dy = SmallGradients();
  EXPECT_EQ(Meaning(dy, "nvfp4_1level", false).abs().max().item<float>(), 0);
  const at::Tensor scaled = Meaning(dy, "nvfp4_1level", true);
  const double error = (scaled - dy).norm().item<double>();
  // As good as with NVFP4's tensor scale: a tenth of the norm, about.
  const double two_levels =
      (Meaning(dy, "nvfp4", false) - dy).norm().item<double>();
  EXPECT_LT(error, 1.1 * two_levels);
}

}  // namespace
}  // namespace cnn_fp4::nn
