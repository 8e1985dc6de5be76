#include "nn/unet.h"

#include <torch/torch.h>

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<UNet> MakeNet(const std::string& policy, uint64_t seed = 5) {
  UNetOptions options;
  options.model_scale_factor = 0.125;
  options.num_classes = 3;
  auto net = UNet::Create(options, *FindConvPrecision(policy), seed);
  EXPECT_TRUE(net.ok()) << net.status();
  return *std::move(net);
}

at::Tensor Images(int64_t height, int64_t width) {
  torch::manual_seed(1);
  return at::randn({2, 3, height, width});
}

TEST(UNet, HasTheSeedsShape) {
  UNetOptions options;
  options.model_scale_factor = 1.0;
  const auto net = UNet::Create(options, *FindConvPrecision("fp32"), 1);
  ASSERT_TRUE(net.ok());
  // The published net with one bias a convolution and GroupNorm's two vectors.
  EXPECT_EQ((*net)->num_parameters(), 31043586);
  EXPECT_EQ((*net)->layers().size(), 22u);
  EXPECT_EQ((*net)->layers()[0].spec->layer, "enc1.conv1");
  EXPECT_EQ((*net)->layers()[10].spec->layer, "dec4.up");
  EXPECT_EQ((*net)->layers().back().spec->layer, "dec1.conv2");
  EXPECT_EQ((*net)->layers()[8].weight->sizes(),
            at::IntArrayRef({1024, 512, 3, 3}));
}

TEST(UNet, TakesAnySize) {
  for (const std::string policy : {"fp32", "fp16", "nvfp4", "nvfp4_seed"}) {
    const auto net = MakeNet(policy);
    for (const auto& [height, width] : std::vector<std::pair<int, int>>{
             {32, 48}, {17, 33}, {1, 1}, {15, 64}}) {
      const at::Tensor logits = net->Forward(Images(height, width));
      EXPECT_EQ(logits.sizes(), at::IntArrayRef({2, 3, height, width}));
      EXPECT_TRUE(logits.isfinite().all().item<bool>()) << policy;
    }
  }
}

TEST(UNet, PaddingDoesNotChangeAMultipleOf16) {
  // Replicated columns reach the rest only through the receptive field, so a
  // net that pads what needs none would differ.
  const auto net = MakeNet("fp32");
  const at::Tensor images = Images(32, 32);
  const at::Tensor logits = net->Forward(images);
  EXPECT_TRUE(at::equal(logits, net->Forward(images)));
  EXPECT_EQ(logits.size(2), 32);
}

TEST(UNet, EveryPolicyStartsFromTheSameWeights) {
  const auto a = MakeNet("fp16", 11), b = MakeNet("nvfp4", 11);
  const auto other = MakeNet("fp16", 12);
  ASSERT_EQ(a->parameters().size(), b->parameters().size());
  for (size_t i = 0; i < a->parameters().size(); ++i) {
    EXPECT_EQ(a->parameters()[i].name, b->parameters()[i].name);
    EXPECT_TRUE(
        at::equal(*a->parameters()[i].tensor, *b->parameters()[i].tensor));
  }
  EXPECT_FALSE(
      at::equal(*a->parameters()[0].tensor, *other->parameters()[0].tensor));
}

TEST(UNet, EveryParameterGetsAGradient) {
  for (const std::string policy : {"fp32", "fp16", "nvfp4", "nvfp4_seed"}) {
    const auto net = MakeNet(policy);
    net->Forward(Images(32, 32)).square().sum().backward();
    std::set<std::string> names;
    for (const NamedParameter& parameter : net->parameters()) {
      ASSERT_TRUE(parameter.tensor->grad().defined()) << parameter.name;
      EXPECT_GT(parameter.tensor->grad().abs().sum().item<float>(), 0.0f)
          << policy << " " << parameter.name;
      EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
    }
  }
}

TEST(UNet, PoliciesDifferFromFullPrecisionButNotByMuch) {
  const at::Tensor images = Images(32, 32);
  const at::Tensor exact = MakeNet("fp32")->Forward(images);
  const auto error = [&](const std::string& policy) {
    return ((MakeNet(policy)->Forward(images) - exact).norm() / exact.norm())
        .item<float>();
  };
  const float fp16 = error("fp16"), nvfp4 = error("nvfp4");
  EXPECT_GT(fp16, 0.0f);
  EXPECT_LT(fp16, 0.02f);
  EXPECT_GT(nvfp4, fp16);
  EXPECT_LT(nvfp4, 1.0f);
}

TEST(UNet, TheObserverSeesTheInputOfEveryLayerOnce) {
  const auto net = MakeNet("nvfp4");
  std::vector<size_t> seen;
  net->SetInputObserver([&](size_t index, const at::Tensor& x) {
    seen.push_back(index);
    const auto& layer = net->layers()[index];
    EXPECT_EQ(x.size(1),
              layer.weight->size(FpropWeightAxis(layer.spec->geometry)));
  });
  net->Forward(Images(16, 16));
  EXPECT_EQ(seen.size(), net->layers().size());
  net->SetInputObserver(nullptr);
  net->Forward(Images(16, 16));
  EXPECT_EQ(seen.size(), net->layers().size());
}

TEST(UNet, OutputLayerKeepsFullPrecisionUnderFp4) {
  // Scaling the output weights by a factor that FP4 could not follow exactly.
  const auto net = MakeNet("nvfp4");
  const torch::NoGradGuard no_grad;
  const at::Tensor before = net->Forward(Images(16, 16));
  const at::Tensor& out =
      *net->parameters()[net->parameters().size() - 2].tensor;
  ASSERT_EQ(net->parameters()[net->parameters().size() - 2].name, "out.weight");
  const at::Tensor bias = *net->parameters().back().tensor;
  out.mul_(1.001);
  const at::Tensor after = net->Forward(Images(16, 16));
  const at::Tensor b = bias.view({1, -1, 1, 1});
  EXPECT_TRUE(at::allclose(after - b, (before - b) * 1.001, 1e-5, 1e-6));
}

TEST(UNet, RefusesWidthsThatGroupNormCannotDivide) {
  UNetOptions options;
  options.model_scale_factor = 0.3;
  const auto net = UNet::Create(options, *FindConvPrecision("fp32"), 1);
  ASSERT_FALSE(net.ok());
  EXPECT_THAT(net.status().message(), HasSubstr("0.125"));
}

}  // namespace
}  // namespace cnn_fp4::nn
