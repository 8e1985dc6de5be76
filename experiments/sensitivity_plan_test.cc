#include "experiments/sensitivity_plan.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<nn::LayerInfo> Layers() {
  std::vector<nn::LayerInfo> layers(3);
  layers[0].name = "a";
  layers[0].role = nn::LayerRole::kFirst;
  layers[0].in_channels = 3;
  layers[1].name = "b";
  layers[1].in_channels = 16;
  layers[2].name = "head";
  layers[2].role = nn::LayerRole::kOutput;
  layers[2].in_channels = 16;
  for (nn::LayerInfo& layer : layers) layer.out_channels = 16;
  return layers;
}

std::vector<std::string> Lines(const SensitivityPlan& plan) {
  std::vector<std::string> lines;
  for (const Trial& trial : plan.trials) {
    lines.push_back(absl::StrCat(NameOf(trial.kind), " ", trial.layer, " ",
                                 trial.operand, " ", trial.policy));
  }
  return lines;
}

TEST(PlanSensitivity, EveryLayerAloneAndSparedAndItsOperands) {
  const auto plan = PlanSensitivity("fp16", "nvfp4_all", Layers(), false);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(
      Lines(*plan),
      ElementsAre("alone a  fp16:a=nvfp4_all", "alone b  fp16:b=nvfp4_all",
                  "spared a  nvfp4_all:a=fp16", "spared b  nvfp4_all:b=fp16",
                  "operand a fprop_x fp16:a/fprop_x=nvfp4",
                  "operand a fprop_w fp16:a/fprop_w=nvfp4_2d",
                  "operand b fprop_x fp16:b/fprop_x=nvfp4",
                  "operand b fprop_w fp16:b/fprop_w=nvfp4_2d"));
  EXPECT_THAT(plan->left_out, IsEmpty());
  EXPECT_EQ(Spare(*plan, {"a", "b"}), "nvfp4_all:a=fp16:b=fp16");
}

TEST(PlanSensitivity, LayersThatThePolicySparesHaveNoTrial) {
  const auto plan =
      PlanSensitivity("fp32", "nvfp4:b/fprop_w=fp32", Layers(), true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  // Rotated operands of wgrad go together.
  EXPECT_THAT(Lines(*plan),
              ElementsAre("alone b  fp32:b=nvfp4",
                          "spared b  nvfp4:b/fprop_w=fp32:b=fp32",
                          "operand b fprop_x fp32:b/fprop_x=nvfp4",
                          "operand b dgrad_dy fp32:b/dgrad_dy=nvfp4+sr"));
  EXPECT_THAT(plan->left_out, ElementsAre("b/wgrad_dy", "b/wgrad_x"));
}

TEST(PlanSensitivity, RefusesWhatSaysNothing) {
  const auto message = [](const std::string& reference,
                          const std::string& policy) {
    return std::string(
        PlanSensitivity(reference, policy, Layers(), false).status().message());
  };
  EXPECT_THAT(message("fp17", "nvfp4"), StartsWith("reference: "));
  EXPECT_THAT(message("nvfp4:a=fp32", "nvfp4"), HasSubstr("has exceptions"));
  EXPECT_THAT(message("fp16", "nvfp5"), StartsWith("policy: "));
  EXPECT_THAT(message("fp16", "nvfp4:c=fp32"), StartsWith("policy: "));
  EXPECT_THAT(message("fp16", "bf16"), HasSubstr("puts no layer into FP4"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
