#include "nn/models/models.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"
#include "nn/net.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::StartsWith;

NetSpec SmallSpec() {
  NetSpec spec;
  spec.model_scale_factor = 0.125;
  return spec;
}

struct Model {
  std::shared_ptr<Net> net;
  std::shared_ptr<QuantContext> context;
};

constexpr int64_t kClasses = 3;

Model MakeNet(const std::string& policy, uint64_t seed = 5) {
  const auto net = CreateNet(SmallSpec(), kClasses, seed);
  EXPECT_TRUE(net.ok()) << net.status();
  Model model = {*net, std::make_shared<QuantContext>()};
  const absl::Status status =
      Quantize(*model.net, *Policy::Parse(policy), model.context);
  EXPECT_TRUE(status.ok()) << status;
  return model;
}

at::Tensor Images(int64_t height, int64_t width) {
  torch::manual_seed(1);
  return at::randn({2, 3, height, width});
}

TEST(UNet, HasTheSizeOfThePublishedOne) {
  NetSpec spec;
  spec.model_scale_factor = 1.0;
  const auto net = CreateNet(spec, 2, 1);
  ASSERT_TRUE(net.ok()) << net.status();
  int64_t count = 0;
  for (const at::Tensor& parameter : (*net)->parameters()) {
    count += parameter.numel();
  }
  // With one bias a convolution and GroupNorm's two vectors.
  EXPECT_EQ(count, 31043586);
}

TEST(UNet, ParametersHaveTheNamesOfCheckpoints) {
  std::vector<std::string> expected;
  const auto add = [&](const std::string& layer) {
    expected.push_back(layer + ".weight");
    expected.push_back(layer + ".bias");
  };
  for (const std::string block : {"enc1", "enc2", "enc3", "enc4", "bottleneck",
                                  "dec4", "dec3", "dec2", "dec1"}) {
    if (block[0] == 'd') add(block + ".up");
    for (const std::string layer : {"conv1", "norm1", "conv2", "norm2"}) {
      add(block + "." + layer);
    }
  }
  add("out");
  std::vector<std::string> names;
  for (const auto& item : MakeNet("fp32").net->named_parameters()) {
    names.push_back(item.key());
  }
  EXPECT_THAT(names, ElementsAreArray(expected));
}

TEST(UNet, TakesAnySize) {
  for (const NamedPolicy& policy : Policies()) {
    const Model model = MakeNet(policy.name);
    const torch::NoGradGuard no_grad;
    for (const auto& [height, width] : std::vector<std::pair<int, int>>{
             {32, 48}, {17, 33}, {1, 1}, {15, 64}}) {
      const at::Tensor logits = model.net->forward(Images(height, width)).dense;
      EXPECT_EQ(logits.sizes(), at::IntArrayRef({2, kClasses, height, width}));
      EXPECT_TRUE(logits.isfinite().all().item<bool>()) << policy.name;
    }
  }
}

// Keeps the source of fprop_x of each layer, and counts.
class Sources : public GemmObserver {
 public:
  void OnSource(const GemmSite& site, const at::Tensor& source) override {
    if (site.operand == Operand::kFpropX) seen[site.layer].push_back(source);
  }
  std::map<std::string, std::vector<at::Tensor>> seen;
};

// The edge of the image again and again, up to the next multiple of 16.
at::Tensor Replicated(const at::Tensor& images, int64_t height, int64_t width) {
  const auto indices = [](int64_t size, int64_t last) {
    return at::arange(size).clamp_max(last);
  };
  return images.index_select(2, indices(height, images.size(2) - 1))
      .index_select(3, indices(width, images.size(3) - 1));
}

TEST(UNet, PadsByReplicationToAMultipleOf16AndCrops) {
  struct Size {
    int64_t height, width, padded_height, padded_width;
  };
  const torch::NoGradGuard no_grad;
  for (const Size& s : {Size{17, 33, 32, 48}, Size{1, 16, 16, 16},
                        Size{31, 1, 32, 16}, Size{32, 48, 32, 48}}) {
    const Model model = MakeNet("fp32");
    const at::Tensor images = Images(s.height, s.width);
    const at::Tensor padded =
        Replicated(images, s.padded_height, s.padded_width);
    Sources sources;
    at::Tensor logits;
    {
      const ObserverScope scope(*model.context, sources);
      logits = model.net->forward(images).dense;
    }
    // What the first layer reads: where nothing is missing, the images.
    EXPECT_TRUE(at::equal(sources.seen["enc1.conv1"].at(0), padded));
    const at::Tensor of_padded = model.net->forward(padded).dense;
    EXPECT_EQ(of_padded.size(2), s.padded_height);
    EXPECT_TRUE(at::equal(
        logits, of_padded.slice(2, 0, s.height).slice(3, 0, s.width)));
  }
}

TEST(UNet, EveryLayerComputesOnceAForwardPass) {
  const Model model = MakeNet("nvfp4");
  Sources sources;
  const ObserverScope scope(*model.context, sources);
  model.net->forward(Images(16, 16));
  const auto layers = QuantLayers(*model.net);
  EXPECT_EQ(layers.size(), 23u);
  EXPECT_EQ(sources.seen.size(), layers.size());
  for (const NamedLayer& layer : layers) {
    ASSERT_EQ(sources.seen[layer.info.name].size(), 1u) << layer.info.name;
    EXPECT_EQ(sources.seen[layer.info.name][0].size(1), layer.info.in_channels);
  }
}

TEST(UNet, EveryPolicyStartsFromTheSameWeights) {
  const auto expected = MakeNet("fp32", 11).net->parameters();
  for (const NamedPolicy& policy : Policies()) {
    const auto parameters = MakeNet(policy.name, 11).net->parameters();
    ASSERT_EQ(parameters.size(), expected.size());
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_TRUE(at::equal(parameters[i], expected[i])) << policy.name;
    }
  }
  EXPECT_FALSE(
      at::equal(MakeNet("fp32", 12).net->parameters()[0], expected[0]));
}

// Weight, then bias of each convolution in forward order, from torch's
// generator: what checkpoints and pinned experiments began with.
TEST(UNet, WeightsAreDrawnInTheOrderOfTheLayers) {
  const Model model = MakeNet("fp32", 11);
  const auto parameters = model.net->named_parameters();
  torch::manual_seed(11);
  const torch::NoGradGuard no_grad;
  const auto layers = Layers(SmallSpec());
  ASSERT_TRUE(layers.ok()) << layers.status();
  for (const LayerInfo& layer : *layers) {
    if (layer.role == LayerRole::kNorm) continue;  // Ones and zeros.
    const int64_t out = layer.out_channels == 0 ? kClasses : layer.out_channels;
    const int64_t in = layer.in_channels, k = layer.kernel;
    const at::Tensor weight = layer.transposed ? at::empty({in, out, k, k})
                                               : at::empty({out, in, k, k});
    torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
    const double bound =
        1 / std::sqrt(static_cast<double>(weight.size(1) * k * k));
    const at::Tensor bias = at::empty({out});
    torch::nn::init::uniform_(bias, -bound, bound);
    EXPECT_TRUE(at::equal(parameters[layer.name + ".weight"], weight))
        << layer.name;
    EXPECT_TRUE(at::equal(parameters[layer.name + ".bias"], bias))
        << layer.name;
  }
}

// A LibTorch that draws other numbers fails here. It maps 24 random bits to the
// interval with a product and a sum, which some CPUs fuse: two epsilons of
// the interval's bound.
constexpr double kUniformTolerance = 2.0;

TEST(UNet, TheFirstWeightsOfASeed) {
  const auto parameters = MakeNet("fp32", 11).net->named_parameters();
  const double bound = 1 / std::sqrt(27.0);
  const auto expect = [&](const std::string& name, int64_t i, double expected) {
    EXPECT_NEAR(
        parameters[name].view(-1)[i].item<float>(), expected,
        kUniformTolerance * std::numeric_limits<float>::epsilon() * bound)
        << name << " " << i;
  };
  expect("enc1.conv1.weight", 0, -0.13508391380310059);
  expect("enc1.conv1.weight", 1, -0.0051757018081843853);
  expect("enc1.conv1.weight", 215, -0.14761479198932648);
  expect("enc1.conv1.bias", 0, 0.18883512914180756);
  expect("enc1.conv1.bias", 7, -0.18274675309658051);
}

TEST(UNet, EveryParameterGetsAGradient) {
  for (const NamedPolicy& policy : Policies()) {
    const Model model = MakeNet(policy.name);
    model.net->forward(Images(32, 32)).dense.square().sum().backward();
    for (const auto& item : model.net->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().sum().item<float>(), 0.0f)
          << policy.name << " " << item.key();
    }
  }
}

TEST(UNet, EveryPolicyDiffersFromFullPrecisionAndFp16Least) {
  const torch::NoGradGuard no_grad;
  const at::Tensor images = Images(32, 32);
  const at::Tensor exact = MakeNet("fp32").net->forward(images).dense;
  const auto error = [&](const std::string& policy) {
    return (MakeNet(policy).net->forward(images).dense - exact)
        .norm()
        .item<float>();
  };
  const float fp16 = error("fp16");
  EXPECT_GT(fp16, 0.0f);
  for (const NamedPolicy& policy : Policies()) {
    if (!policy.precision.quantized()) continue;
    EXPECT_GT(error(policy.name), fp16) << policy.name;
    EXPECT_LT(error(policy.name), exact.norm().item<float>()) << policy.name;
  }
}

TEST(UNet, TheOutputLayerKeepsFullPrecisionUnderFp4) {
  for (const NamedPolicy& policy : Policies()) {
    if (!policy.precision.quantized()) continue;
    const Model model = MakeNet(policy.name);
    Sources sources;
    const torch::NoGradGuard no_grad;
    const ObserverScope scope(*model.context, sources);
    const at::Tensor logits = model.net->forward(Images(16, 16)).dense;
    const auto parameters = model.net->named_parameters();
    EXPECT_TRUE(at::equal(
        logits, at::conv2d(sources.seen["out"].at(0), parameters["out.weight"],
                           parameters["out.bias"])));
    for (const NamedLayer& layer : QuantLayers(*model.net)) {
      EXPECT_EQ(layer.layer->spec().precision.full_precision(),
                layer.info.name == "out");
    }
  }
}

TEST(NetSpec, LayersAreThoseOfTheNet) {
  for (const std::string& architecture : ArchitectureNames()) {
    NetSpec spec = SmallSpec();
    spec.architecture = architecture;
    const auto layers = Layers(spec);
    ASSERT_TRUE(layers.ok()) << layers.status();
    const auto net = CreateNet(spec, kClasses, 1);
    ASSERT_TRUE(net.ok()) << net.status();
    const std::vector<LayerInfo> built = DescribeLayers(**net);
    ASSERT_EQ(layers->size(), built.size());
    for (size_t i = 0; i < built.size(); ++i) {
      const LayerInfo &info = (*layers)[i], &actual = built[i];
      SCOPED_TRACE(architecture + " " + actual.name);
      EXPECT_EQ(info.name, actual.name);
      EXPECT_EQ(info.role, actual.role);
      EXPECT_EQ(info.in_channels, actual.in_channels);
      EXPECT_EQ(info.out_channels == 0 ? kClasses : info.out_channels,
                actual.out_channels);
      EXPECT_EQ(info.out_channels == 0, info.role == LayerRole::kOutput);
      EXPECT_EQ(info.kernel, actual.kernel);
      EXPECT_EQ(info.stride, actual.stride);
      EXPECT_EQ(info.groups, actual.groups);
      EXPECT_EQ(info.transposed, actual.transposed);
    }
    // A policy's first and last layers are there.
    for (const std::string policy : {"nvfp4:first=bf16", "nvfp4:last=bf16"}) {
      EXPECT_TRUE(Policy::Parse(policy)->Resolve(*layers).ok()) << policy;
    }
  }
}

std::string Refusal(const NetSpec& spec, int64_t classes = kClasses) {
  const auto net = CreateNet(spec, classes, 1);
  return net.ok() ? "" : std::string(net.status().message());
}

TEST(NetSpec, RefusalsNameTheField) {
  EXPECT_EQ(Refusal(SmallSpec()), "");
  for (const double factor : {0.3, 0.0, -1.0, 17.0, std::nan("")}) {
    NetSpec spec;
    spec.model_scale_factor = factor;
    EXPECT_THAT(Refusal(spec),
                AllOf(StartsWith("model_scale_factor"),
                      HasSubstr("multiple of 0.125, at most 16")));
  }
  NetSpec spec;
  spec.base_channels = 0;
  EXPECT_THAT(Refusal(spec), StartsWith("base_channels"));
  spec = {};
  spec.norm_groups = 0;
  EXPECT_THAT(Refusal(spec), StartsWith("norm_groups"));
  spec.norm_groups = 3;
  EXPECT_THAT(Refusal(spec), HasSubstr("a multiple of 3"));
  spec = {};
  spec.architecture = "resnet";
  EXPECT_THAT(Refusal(spec), AllOf(StartsWith("architecture"),
                                   HasSubstr("unet"), HasSubstr("'resnet'")));
  EXPECT_THAT(Refusal({}, 0), HasSubstr("at least one class"));
}

}  // namespace
}  // namespace cnn_fp4::nn
