// The named policies.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

// The recipe's name or the plain format; "-" for the operand of fprop again.
std::string Short(const OperandFormat* format) {
  if (format == nullptr) return "-";
  const quant::Recipe* const recipe = format->recipe();
  return recipe != nullptr
             ? recipe->name + (format->scaled ? "+scaled" : "")
             : std::string(ToString(std::get<PlainFormat>(format->format)));
}

// Literal, so that a policy that comes to mean something else fails here.
TEST(Policy, TheNamedOnesSpelledOut) {
  struct Expected {
    const char* name;
    // fprop x, w; dgrad dy, w; wgrad dy, x.
    std::vector<std::string> operands;
    const char* overrides;
    const char* result;
  };
  const std::vector<std::string> forward = {"nvfp4", "nvfp4", "fp32",
                                            "-",     "fp32",  "-"};
  const std::vector<Expected> all = {
      {"fp32", {"fp32", "fp32", "fp32", "-", "fp32", "-"}, "", "fp32"},
      {"fp16", {"fp16", "fp16", "fp16", "-", "fp16", "-"}, "", "fp16"},
      {"bf16", {"bf16", "bf16", "bf16", "-", "bf16", "-"}, "", "bf16"},
      {"nvfp4",
       {"nvfp4", "nvfp4_2d", "nvfp4+sr", "-", "nvfp4+sr+rht", "nvfp4+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_all",
       {"nvfp4", "nvfp4_2d", "nvfp4+sr", "-", "nvfp4+sr+rht", "nvfp4+rht"},
       "",
       "fp32"},
      {"nvfp4_no_rht",
       {"nvfp4", "nvfp4_2d", "nvfp4+sr", "-", "nvfp4+sr", "nvfp4"},
       "first=bf16",
       "fp32"},
      {"nvfp4_no_sr",
       {"nvfp4", "nvfp4_2d", "nvfp4", "-", "nvfp4+rht", "nvfp4+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_1d_weights",
       {"nvfp4", "nvfp4", "nvfp4+sr", "nvfp4", "nvfp4+sr+rht", "nvfp4+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_four_over_six",
       {"nvfp4_four_over_six", "nvfp4_four_over_six_2d", "nvfp4+sr", "-",
        "nvfp4+sr+rht", "nvfp4_four_over_six+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_1level",
       {"nvfp4", "nvfp4_2d", "nvfp4_1level+sr", "-", "nvfp4_1level+sr+rht",
        "nvfp4+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_1level_scaled",
       {"nvfp4", "nvfp4_2d", "nvfp4_1level+sr+scaled", "-",
        "nvfp4_1level+sr+rht+scaled", "nvfp4+rht"},
       "first=bf16",
       "fp32"},
      {"nvfp4_forward", forward, "first=bf16", "fp32"},
      {"nvfp4_forward_all", forward, "", "fp32"},
      {"nvfp4_seed",
       {"pow2_1x16", "pow2_1x16", "fp32", "-", "fp32", "-"},
       "",
       "fp32"},
      {"per_tensor_forward",
       {"fp4_per_tensor", "fp4_per_tensor", "fp32", "-", "fp32", "-"},
       "first=bf16",
       "fp32"},
      {"mxfp4",
       {"mxfp4", "mxfp4", "mxfp4", "mxfp4", "mxfp4", "mxfp4"},
       "first=bf16",
       "fp32"},
      {"mxfp4_sr",
       {"mxfp4", "mxfp4", "mxfp4+sr", "mxfp4", "mxfp4+sr", "mxfp4"},
       "first=bf16",
       "fp32"},
      {"mxfp4_forward_all",
       {"mxfp4", "mxfp4", "fp32", "-", "fp32", "-"},
       "",
       "fp32"},
      {"pow2_full",
       {"pow2_1x16", "pow2_1x16", "pow2_1x16", "pow2_1x16", "pow2_1x16",
        "pow2_1x16"},
       "first=bf16",
       "fp32"}};
  ASSERT_EQ(all.size(), Policies().size());
  for (size_t i = 0; i < all.size(); ++i) {
    const NamedPolicy& policy = Policies()[i];
    SCOPED_TRACE(policy.name);
    EXPECT_EQ(policy.name, all[i].name);
    EXPECT_EQ(policy.overrides, all[i].overrides);
    EXPECT_EQ(ToString(policy.precision.result), all[i].result);
    const bool plain = !policy.precision.quantized();
    EXPECT_EQ(ToString(policy.output.fprop_x), plain ? policy.name : "fp32");
    EXPECT_EQ(ToString(policy.output.wgrad_dy), plain ? policy.name : "fp32");
    std::vector<std::string> operands;
    for (const Operand operand : kOperands) {
      const OperandFormat* const format = policy.precision.Get(operand);
      operands.push_back(Short(format));
      if (format == nullptr || policy.name == "nvfp4_seed") continue;
      EXPECT_EQ(format->blocking, policy.name == "per_tensor_forward" &&
                                          format->recipe() != nullptr
                                      ? Blocking::kFlattened
                                      : Blocking::kReductionAxis);
    }
    EXPECT_EQ(operands, all[i].operands);
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
