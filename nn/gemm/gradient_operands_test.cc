// The operands of dy from one read against those of a call each.

#include "nn/gemm/gradient_operands.h"

#include <torch/torch.h>

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/gemm/tensor_span.h"
#include "quant/recipe.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

OperandFormat Format(const std::string& recipe,
                     Blocking blocking = Blocking::kReductionAxis) {
  OperandFormat format;
  format.format = quant::FindRecipe(recipe).value();
  format.blocking = blocking;
  return format;
}

WgradPlan Plan(const at::Tensor& dy, const OperandFormat& wgrad,
               const ConvGeometry& geometry) {
  // A 3x3 convolution whose input has the positions of its output.
  const OperandFormat x = Format(wgrad.rotated() ? "nvfp4+rht" : "nvfp4");
  return PlanWgrad(dy.sizes(), dy.sizes(), {3, 3}, geometry, wgrad, &x).value();
}

ConvGeometry Same(int64_t groups) {
  ConvGeometry geometry{{1, 1}, {1, 1}};
  geometry.groups = groups;
  return geometry;
}

quant::QuantizeOptions Options(uint32_t stream) {
  quant::QuantizeOptions options;
  options.seed = 4;
  options.stream = stream;
  options.step = 2;
  options.nonfinite = quant::NonFinitePolicy::kPropagate;
  return options;
}

void ExpectSame(const GemmOperand& expected, const GemmOperand& actual) {
  EXPECT_EQ(expected.form, actual.form);
  EXPECT_EQ(expected.values.sizes(), actual.values.sizes());
  // NaN equals NaN.
  EXPECT_TRUE(at::allclose(expected.values, actual.values, 0, 0, true));
  EXPECT_TRUE(at::equal(expected.scale, actual.scale));
  EXPECT_EQ(expected.scale.dtype(), actual.scale.dtype());
}

// What is taken apart of one read is what is taken apart of a call each.
void ExpectSame(const std::optional<QuantizedOperand>& expected,
                const std::optional<QuantizedOperand>& actual) {
  ASSERT_TRUE(expected.has_value());
  ASSERT_TRUE(actual.has_value());
  EXPECT_TRUE(at::allclose(expected->source, actual->source, 0, 0, true));
  EXPECT_EQ(expected->packed.grid, actual->packed.grid);
  EXPECT_EQ(expected->packed.recipe, actual->packed.recipe);
  EXPECT_EQ(expected->packed.codes, actual->packed.codes);
  EXPECT_EQ(expected->packed.scales, actual->packed.scales);
  EXPECT_EQ(expected->packed.tensor_scales, actual->packed.tensor_scales);
}

// The distortion counted while an operand was made, against one that is counted
// afterwards.
void ExpectDistortion(const GemmOperand& operand,
                      const QuantizedOperand& taken_apart) {
  ASSERT_TRUE(taken_apart.distortion.has_value());
  const quant::DistortionStats& counted = *taken_apart.distortion;
  const at::Tensor stands_for = operand.values * operand.scale;
  std::vector<uint8_t> codes;
  for (int64_t i = 0; i < stands_for.numel(); ++i) {
    codes.push_back(quant::CodeAt(taken_apart.packed, i));
  }
  quant::DistortionStats expected;
  ASSERT_TRUE(
      expected.Add(Values(taken_apart.source), Values(stands_for), codes).ok());
  EXPECT_EQ(expected.count(), counted.count());
  EXPECT_EQ(expected.nonfinite(), counted.nonfinite());
  EXPECT_EQ(expected.underflow(), counted.underflow());
  EXPECT_EQ(expected.saturated(), counted.saturated());
  EXPECT_EQ(expected.code_counts(), counted.code_counts());
  EXPECT_EQ(expected.MaxAbsError(), counted.MaxAbsError());
  // The order of FP64 additions differs.
  EXPECT_NEAR(
      expected.MeanSquaredError(), counted.MeanSquaredError(),
      expected.MeanSquaredError() * std::numeric_limits<float>::epsilon());
}

TEST(GradientOperands, AreThoseOfACallEach) {
  torch::manual_seed(1);
  for (const char* dgrad :
       {"nvfp4+sr", "mxfp4+sr", "nvfp4_2d", "nvfp4_four_over_six"}) {
    for (const char* wgrad : {"nvfp4+sr+rht", "mxfp4", "nvfp4"}) {
      for (const int64_t groups : {1, 2}) {
        for (const std::vector<int64_t>& shape :
             std::vector<std::vector<int64_t>>{
                 {2, 32, 8, 8}, {1, 40, 16, 96}, {3, 6, 4, 8}, {2, 16, 4, 8}}) {
          if (std::string(dgrad) == "nvfp4_2d" && shape[1] / groups < 2) {
            continue;
          }
          SCOPED_TRACE(std::string(dgrad) + " and " + wgrad + ", groups " +
                       std::to_string(groups) + ", channels " +
                       std::to_string(shape[1]));
          const ConvGeometry geometry = Same(groups);
          const GradientFormat d = {Format(dgrad), Options(1)};
          const GradientFormat w = {Format(wgrad), Options(2)};
          at::Tensor dy = at::randn(shape);
          dy[0][0][0][3] = std::numeric_limits<float>::quiet_NaN();
          for (const bool channels_last : {false, true}) {
            if (channels_last)
              dy = dy.contiguous(at::MemoryFormat::ChannelsLast);
            const WgradPlan plan = Plan(dy, w.format, geometry);
            const auto made = MakeGradientOperands(dy, plan, d, w);
            ASSERT_TRUE(made.ok()) << made.status();
            ASSERT_TRUE(made->has_value());
            ExpectSame(*MakeGemmOperand(dy, Operand::kDgradDy, geometry,
                                        d.format, d.options),
                       (*made)->dgrad);
            ExpectSame(*MakeWgradOperand(dy, Operand::kWgradDy, plan, w.format,
                                         w.options),
                       (*made)->wgrad);
            EXPECT_FALSE((*made)->dgrad_taken_apart.has_value());

            const auto apart =
                MakeGradientOperands(dy, plan, d, w, /*take_apart=*/true);
            ASSERT_TRUE(apart.ok() && apart->has_value());
            ExpectSame((*made)->dgrad, (*apart)->dgrad);
            ExpectSame((*made)->wgrad, (*apart)->wgrad);
            std::optional<QuantizedOperand> expected;
            ASSERT_TRUE(MakeGemmOperand(dy, Operand::kDgradDy, geometry,
                                        d.format, d.options, &expected)
                            .ok());
            ExpectSame(expected, (*apart)->dgrad_taken_apart);
            ExpectDistortion((*apart)->dgrad, *(*apart)->dgrad_taken_apart);
            ASSERT_TRUE(MakeWgradOperand(dy, Operand::kWgradDy, plan, w.format,
                                         w.options, &expected)
                            .ok());
            ExpectSame(expected, (*apart)->wgrad_taken_apart);
          }
        }
      }
    }
  }
}

TEST(GradientOperands, OtherOperandsAreLeftToACallEach) {
  const at::Tensor dy = at::randn({2, 32, 8, 8});
  const GradientFormat fp4 = {Format("nvfp4"), Options(1)};
  const auto made = [](const at::Tensor& dy, const GradientFormat& dgrad,
                       const GradientFormat& wgrad,
                       const ConvGeometry& geometry) {
    const auto operands = MakeGradientOperands(
        dy, Plan(dy, wgrad.format, geometry), dgrad, wgrad);
    return operands.ok() && operands->has_value();
  };
  EXPECT_TRUE(made(dy, fp4, fp4, Same(1)));
  EXPECT_FALSE(made(dy, {{}, {}}, fp4, Same(1)));
  EXPECT_FALSE(made(dy, fp4, {{}, {}}, Same(1)));
  EXPECT_FALSE(
      made(dy, fp4, {Format("nvfp4", Blocking::kFlattened), {}}, Same(1)));
  OperandFormat scaled = fp4.format;
  scaled.scaled = true;
  EXPECT_FALSE(made(dy, {scaled, {}}, fp4, Same(1)));
  EXPECT_FALSE(made(dy, fp4, {scaled, {}}, Same(1)));
  // Positions that are no whole blocks are padded; dy of a transposed
  // convolution is taken apart to windows.
  EXPECT_FALSE(made(at::randn({2, 32, 7, 7}), fp4, fp4, Same(1)));
  ConvGeometry transposed = Same(1);
  transposed.transposed = true;
  EXPECT_FALSE(made(at::randn({2, 32, 16, 16}), fp4, fp4, transposed));
}

TEST(GradientOperands, ErrorsAreTheQuantisers) {
  at::Tensor dy = at::randn({2, 32, 8, 8});
  dy[0][0][0][3] = std::numeric_limits<float>::infinity();
  const GradientFormat refusing = {Format("nvfp4"), {}};
  const auto made = MakeGradientOperands(dy, Plan(dy, refusing.format, Same(1)),
                                         refusing, refusing);
  EXPECT_THAT(std::string(made.status().message()),
              HasSubstr("element 3 is Inf"));
}

}  // namespace
}  // namespace cnn_fp4::nn
