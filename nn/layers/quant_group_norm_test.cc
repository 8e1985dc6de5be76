#include "nn/layers/quant_group_norm.h"

#include <torch/torch.h>

#include <limits>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/gemm/gemm_operand.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kGroups = 2, kChannels = 32;

// One norm under the first convolution, so that Quantize has what it wants.
class NormNet : public torch::nn::Module {
 public:
  NormNet() {
    conv = register_module("conv", QuantConv2d(3, kChannels, 1));
    norm = register_module("norm", QuantGroupNorm(kGroups, kChannels));
  }
  QuantConv2d conv = nullptr;
  QuantGroupNorm norm = nullptr;
};

std::shared_ptr<NormNet> Under(const std::string& policy) {
  auto net = std::make_shared<NormNet>();
  const absl::Status status =
      Quantize(*net, *Policy::Parse(policy), std::make_shared<QuantContext>());
  EXPECT_TRUE(status.ok()) << status;
  return net;
}

at::Tensor Input() {
  torch::manual_seed(3);
  return at::randn({2, kChannels, 4, 5});
}

at::Tensor Plain(const at::Tensor& x) {
  return torch::nn::GroupNorm(kGroups, kChannels)->forward(x);
}

TEST(QuantGroupNorm, IsTorchsWhereNothingNamesItsInput) {
  const at::Tensor x = Input();
  for (const char* policy : {"fp16", "nvfp4", "nvfp4:*=mxfp4"}) {
    EXPECT_TRUE(at::equal(Under(policy)->norm->forward(x), Plain(x))) << policy;
  }
}

TEST(QuantGroupNorm, NormalisesItsRoundedInput) {
  const at::Tensor x = Input();
  const at::Tensor half = x.to(at::kHalf).to(at::kFloat);
  EXPECT_TRUE(
      at::equal(Under("nvfp4:*/x=fp16")->norm->forward(x), Plain(half)));
  // One block of mxfp4 is all channels of a pixel: powers of two below 6 are
  // its own multiples.
  const at::Tensor exact = at::pow(2, (x.abs() * 2).floor().clamp(0, 2));
  EXPECT_TRUE(at::equal(Under("fp32:norm/x=mxfp4")->norm->forward(exact),
                        Plain(exact)));
  const at::Tensor coarse = Under("fp32:norm/x=mxfp4")->norm->forward(x);
  EXPECT_FALSE(at::equal(coarse, Plain(x)));
  // Blocks along the channels: what another pixel has changes nothing.
  at::Tensor other = x.clone();
  other.select(3, 0).mul_(100);
  const auto operand = MakeGemmOperand(other, Operand::kFpropX, {},
                                       {*quant::FindRecipe("mxfp4"), {}});
  EXPECT_TRUE(at::equal(Under("fp32:norm/x=mxfp4")->norm->forward(other),
                        Plain(operand->values)));
}

TEST(QuantGroupNorm, TheGradientIsStraightThrough) {
  const auto net = Under("fp32:norm/x=nvfp4");
  const at::Tensor x = Input().requires_grad_();
  const at::Tensor y = net->norm->forward(x);
  y.square().sum().backward();
  // That of the rounded input, at the same point.
  const auto operand = MakeGemmOperand(x.detach(), Operand::kFpropX, {},
                                       {*quant::FindRecipe("nvfp4"), {}});
  const at::Tensor rounded =
      (operand->values * operand->scale).requires_grad_();
  Plain(rounded).square().sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), rounded.grad()));
}

TEST(QuantGroupNorm, APolicyTakesItsFormatBack) {
  auto net = std::make_shared<NormNet>();
  const auto context = std::make_shared<QuantContext>();
  ASSERT_TRUE(Quantize(*net, *Policy::Parse("fp32:*/x=nvfp4"), context).ok());
  ASSERT_TRUE(Quantize(*net, *Policy::Parse("fp32"), context).ok());
  EXPECT_TRUE(at::equal(net->norm->forward(Input()), Plain(Input())));
}

TEST(QuantGroupNorm, WhatIsNotFiniteNamesTheLayer) {
  at::Tensor x = Input();
  x[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  try {
    Under("fp32:norm/x=nvfp4")->norm->forward(x);
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(),
                HasSubstr("layer norm, operand x: "));
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
