#include "nn/layers/quantize.h"

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quant_group_norm.h"
#include "nn/layers/residual_net.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<ResidualNet> MakeNet() {
  torch::manual_seed(4);
  return std::make_shared<ResidualNet>();
}

absl::Status Under(torch::nn::Module& net, const std::string& text,
                   std::shared_ptr<const QuantContext> context =
                       std::make_shared<QuantContext>()) {
  const auto policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return Quantize(net, *policy, std::move(context));
}

// What fprop_x of each layer is.
std::map<std::string, std::string> FpropX(torch::nn::Module& net) {
  std::map<std::string, std::string> formats;
  for (const NamedLayer& layer : QuantLayers(net)) {
    const OperandFormat& format = layer.layer->spec().precision.fprop_x;
    formats[layer.layer->spec().layer] =
        format.recipe() != nullptr ? format.recipe()->name : ToString(format);
  }
  return formats;
}

std::vector<std::string> Names(torch::nn::Module& net) {
  std::vector<std::string> names;
  for (const NamedLayer& layer : QuantLayers(net)) {
    names.push_back(layer.info.name);
  }
  return names;
}

constexpr char kPolicy[] =
    "nvfp4:stem=bf16:*.downsample=fp32:block1.conv2=mxfp4";

TEST(Quantize, FindsTheLayersOfANetOfOnesOwn) {
  const auto net = MakeNet();
  EXPECT_THAT(Names(*net), ElementsAre("stem", "block1.conv1", "block1.conv2",
                                       "block1.downsample", "block2.conv1",
                                       "block2.conv2", "head"));
  const std::vector<NamedLayer> layers = QuantLayers(*net);
  EXPECT_EQ(layers[0].info.role, LayerRole::kFirst);
  EXPECT_EQ(layers[5].info.role, LayerRole::kLast);
  EXPECT_EQ(layers[6].info.role, LayerRole::kOutput);
  const LayerInfo& conv1 = layers[1].info;
  EXPECT_EQ(conv1.role, LayerRole::kOrdinary);
  EXPECT_EQ(conv1.in_channels, 16);
  EXPECT_EQ(conv1.out_channels, 32);
  EXPECT_EQ(conv1.kernel, 3);
  EXPECT_EQ(conv1.stride, 2);
  EXPECT_EQ(layers[2].info.groups, 4);
}

TEST(Quantize, ByPatternAndAgainWithAnotherPolicy) {
  const auto net = MakeNet();
  const auto before = net->parameters();
  ASSERT_TRUE(Under(*net, kPolicy).ok());
  EXPECT_EQ(FpropX(*net),
            (std::map<std::string, std::string>{{"stem", "bf16"},
                                                {"block1.conv1", "nvfp4"},
                                                {"block1.conv2", "mxfp4"},
                                                {"block1.downsample", "fp32"},
                                                {"block2.conv1", "nvfp4"},
                                                {"block2.conv2", "nvfp4"},
                                                {"head", "fp32"}}));
  ASSERT_TRUE(Under(*net, "fp16").ok());
  for (const auto& [layer, format] : FpropX(*net)) {
    EXPECT_EQ(format, "fp16") << layer;
  }
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(net->parameters()[i].is_same(before[i]));
  }
}

TEST(Quantize, RefusesWhatDoesNotFitAndLeavesTheNetAsItWas) {
  const auto net = MakeNet();
  ASSERT_TRUE(Under(*net, "fp16").ok());
  const auto formats = FpropX(*net);
  EXPECT_THAT(Under(*net, "nvfp4").message(),
              AllOf(HasSubstr("block1.conv2"), HasSubstr("groups of 8")));
  EXPECT_THAT(Under(*net, "nvfp4:block3.*=bf16").message(),
              AllOf(HasSubstr("block3.*"), HasSubstr("block2.conv2")));
  EXPECT_EQ(FpropX(*net), formats);
  torch::nn::Sequential none(
      torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, 1)));
  EXPECT_THAT(Under(*none, "nvfp4").message(), HasSubstr("QuantConv2d"));
}

TEST(Quantize, RefusesRolesOfNoLayer) {
  class Misnamed : public ResidualNet {
   public:
    LayerRoles roles() const override { return {{"stem"}, {}, {"haed"}}; }
  };
  Misnamed net;
  EXPECT_THAT(Under(net, "fp16").message(),
              AllOf(HasSubstr("'haed'"), HasSubstr("head")));
}

// A role says which convolution it is; of a normalisation it says nothing.
TEST(Quantize, RefusesTheRoleOfANormalisation) {
  class Misnamed : public ResidualNet {
   public:
    Misnamed() { register_module("norm", QuantGroupNorm(2, 16)); }
    LayerRoles roles() const override { return {{"stem"}, {}, {"norm"}}; }
  };
  Misnamed net;
  EXPECT_THAT(Under(net, "fp16").message(), HasSubstr("'norm'"));
}

// Whether a place of the images is dark or bright.
at::Tensor Loss(ResidualNet& net, const at::Tensor& images) {
  const at::Tensor bright = at::avg_pool2d(images.mean(1), 2).gt(0);
  return at::cross_entropy_loss(net.forward(images).dense,
                                bright.to(at::kLong));
}

TEST(Quantize, ANetOfOnesOwnTrains) {
  for (const std::string policy :
       {"fp32", "fp16", kPolicy,
        "nvfp4:block1.conv2=bf16:block*/dgrad_dy=nvfp4+sr:"
        "block*/wgrad_dy=nvfp4+sr:block*/wgrad_x=nvfp4"}) {
    const auto net = MakeNet();
    const auto context = std::make_shared<QuantContext>();
    ASSERT_TRUE(Under(*net, policy, context).ok()) << policy;
    const at::Tensor images = at::randn({4, 3, 12, 12});
    torch::optim::Adam adam(net->parameters(), 0.003);
    std::vector<float> losses;
    for (context->step = 0; context->step < 12; ++context->step) {
      adam.zero_grad();
      const at::Tensor loss = Loss(*net, images);
      losses.push_back(loss.item<float>());
      loss.backward();
      adam.step();
    }
    EXPECT_LT(losses.back(), losses.front()) << policy;
  }
}

TEST(Quantize, AModuleThatIsNoNetHasNamesButNoRoles) {
  torch::manual_seed(4);
  torch::nn::Sequential net(
      QuantConv2d(torch::nn::Conv2dOptions(3, 16, 3)), torch::nn::ReLU(),
      QuantConvTranspose2d(torch::nn::ConvTranspose2dOptions(16, 2, 2)));
  EXPECT_THAT(Names(*net), ElementsAre("0", "2"));
  ASSERT_TRUE(Under(*net, "nvfp4:2=bf16").ok());
  EXPECT_EQ(FpropX(*net), (std::map<std::string, std::string>{{"0", "nvfp4"},
                                                              {"2", "bf16"}}));
  EXPECT_EQ(net->forward(at::randn({1, 3, 8, 8})).sizes(),
            at::IntArrayRef({1, 2, 7, 7}));
  EXPECT_THAT(Under(*net, "nvfp4:first=bf16").message(),
              HasSubstr("'first' meets no layer"));
}

TEST(Quantize, ACloneKeepsPrecisionAndHasWeightsOfItsOwn) {
  torch::manual_seed(4);
  ResidualBlock block(16, 32, 2, 2, 1);
  const auto context = std::make_shared<QuantContext>();
  ASSERT_TRUE(Under(*block, "nvfp4:downsample=bf16", context).ok());
  const auto clone =
      std::dynamic_pointer_cast<ResidualBlockImpl>(block->clone());
  ASSERT_NE(clone, nullptr);
  EXPECT_EQ(FpropX(*clone), FpropX(*block));
  EXPECT_EQ(FpropX(*clone)["downsample"], "bf16");
  for (const NamedLayer& layer : QuantLayers(*clone)) {
    EXPECT_EQ(layer.layer->spec().context, context) << layer.info.name;
  }
  const torch::NoGradGuard no_grad;
  const at::Tensor x = at::randn({2, 16, 8, 8});
  block->eval();
  clone->eval();
  const at::Tensor y = block->forward(x);
  EXPECT_TRUE(at::equal(clone->forward(x), y));
  for (const at::Tensor& parameter : clone->parameters()) parameter.zero_();
  EXPECT_TRUE(at::equal(block->forward(x), y));
  EXPECT_FALSE(at::equal(clone->forward(x), y));
}

TEST(QuantConv, RefusesOptionsThatItWouldIgnore) {
  EXPECT_THROW(QuantConv2d(torch::nn::Conv2dOptions(3, 4, 3).padding_mode(
                   torch::kReflect)),
               c10::Error);
  EXPECT_THROW(
      QuantConv2d(torch::nn::Conv2dOptions(3, 4, 3).padding(torch::kSame)),
      c10::Error);
  QuantConv2d layer(torch::nn::Conv2dOptions(3, 4, 3));
  EXPECT_THROW(layer->forward(at::zeros({3, 8, 8})), c10::Error);
}

}  // namespace
}  // namespace cnn_fp4::nn
