// What an observer sees of the GEMMs of a net, and what their random bits
// depend on.

#include "nn/gemm/gemm_observer.h"

#include <torch/torch.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"
#include "nn/layers/residual_net.h"
#include "quant/quantizer.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAreArray;

// All six operands in FP4, those of dy with random bits.
constexpr char kAllOperands[] =
    "nvfp4_forward_all:block1.conv2=nvfp4_forward_all:*/dgrad_dy=nvfp4+sr:*/"
    "dgrad_w=nvfp4_2d:"
    "*/wgrad_dy=mxfp4+sr:*/wgrad_x=mxfp4";

class Recorder : public GemmObserver {
 public:
  void OnSource(const GemmSite& site, const at::Tensor& source) override {
    EXPECT_FALSE(at::GradMode::is_enabled());
    events.push_back(absl::StrCat("source ", Key(site)));
    sources[Key(site)] = source;
  }
  void OnOperand(const GemmSite& site, const at::Tensor& source,
                 const GemmOperand& operand,
                 const QuantizedOperand* taken_apart) override {
    EXPECT_FALSE(at::GradMode::is_enabled());
    events.push_back(absl::StrCat("operand ", Key(site)));
    EXPECT_TRUE(source.is_same(sources[Key(site)]));
    EXPECT_EQ(taken_apart != nullptr, site.format.recipe() != nullptr);
    operands[Key(site)] = operand;
    if (taken_apart == nullptr) return;
    // The codes are those of what is multiplied.
    at::Tensor values = at::empty_like(taken_apart->source);
    const auto scale = quant::OperandValues(
        taken_apart->packed,
        {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
    ASSERT_TRUE(scale.ok()) << scale.status();
    // What is taken apart of a scaled operand is the multiplied tensor.
    const float power =
        site.format.scaled ? PowerOfTwoScale(source).item<float>() : 1.0f;
    EXPECT_EQ(*scale / power, operand.scale.item<float>());
    if (values.sizes() == operand.values.sizes()) {
      EXPECT_TRUE(at::equal(values, operand.values));
      return;
    }
    // An operand of wgrad that was quantised as a padded matrix.
    const at::Tensor rows = operand.values.transpose(0, 1).flatten(1);
    EXPECT_TRUE(at::equal(values.narrow(1, 0, rows.size(1)), rows));
  }

  static std::string Key(const GemmSite& site) {
    return absl::StrCat(site.layer, "/", OperandName(site.operand));
  }

  std::vector<std::string> events;
  std::map<std::string, at::Tensor> sources;
  std::map<std::string, GemmOperand> operands;
};

void Under(torch::nn::Module& net, const std::string& text,
           std::shared_ptr<const QuantContext> context) {
  const auto policy = Policy::Parse(text);
  ASSERT_TRUE(policy.ok()) << policy.status();
  const absl::Status status = Quantize(net, *policy, std::move(context));
  ASSERT_TRUE(status.ok()) << status;
}

TEST(GemmObserver, SeesEveryOperandOnceAStep) {
  torch::manual_seed(4);
  ResidualNet net;
  const auto context = std::make_shared<QuantContext>();
  const at::Tensor images = at::randn({2, 3, 8, 8});
  const std::vector<std::string> fprop = {"fprop_x", "fprop_w"};
  struct Case {
    std::string policy;
    std::vector<std::string> dgrad, wgrad;
  };
  // What is multiplied once more is shown once.
  for (const Case& c :
       {Case{kAllOperands, {"dgrad_dy", "dgrad_w"}, {"wgrad_dy", "wgrad_x"}},
        Case{"nvfp4_forward_all:block1.conv2=nvfp4_forward_all",
             {"dgrad_dy"},
             {"wgrad_dy"}}}) {
    Under(net, c.policy, context);
    Recorder recorder;
    {
      const ObserverScope scope(*context, recorder);
      net.forward(images).dense.square().sum().backward();
    }
    std::vector<std::string> expected;
    const auto expect = [&](const std::string& layer,
                            const std::vector<std::string>& operands) {
      for (const std::string& operand : operands) {
        for (const std::string event : {"source ", "operand "}) {
          expected.push_back(event + layer + "/" + operand);
        }
      }
    };
    for (const NamedLayer& layer : QuantLayers(net)) {
      const std::string& name = layer.info.name;
      expect(name, fprop);
      if (name == "head") continue;  // In FP32, LibTorch's own backward pass.
      if (name != "stem") expect(name, c.dgrad);  // Images need no gradient.
      expect(name, c.wgrad);
    }
    EXPECT_THAT(recorder.events, UnorderedElementsAreArray(expected));
    EXPECT_TRUE(recorder.sources["stem/fprop_x"].is_same(images));
    const size_t seen = recorder.events.size();
    net.forward(images);
    EXPECT_EQ(recorder.events.size(), seen);
  }
}

// A layer with the weights of a seed.
QuantConv2d MakeLayer() {
  torch::manual_seed(4);
  return QuantConv2d(torch::nn::Conv2dOptions(20, 18, 3).stride(2).padding(1));
}

std::vector<std::string> PolicyTexts() {
  std::vector<std::string> texts = {
      "nvfp4_forward_all:*/dgrad_dy=nvfp4+sr:*/dgrad_w=nvfp4_2d:"
      "*/wgrad_dy=mxfp4+sr:*/wgrad_x=mxfp4"};
  for (const NamedPolicy& policy : Policies()) texts.push_back(policy.name);
  return texts;
}

TEST(GemmObserver, WhatItSeesIsWhatIsMultiplied) {
  for (const std::string& text : PolicyTexts()) {
    SCOPED_TRACE(text);
    torch::nn::Sequential net(MakeLayer());
    const auto context = std::make_shared<QuantContext>();
    Under(*net, text, context);
    QuantConv2dImpl& layer = net->at<QuantConv2dImpl>(0);
    const at::Tensor x = at::randn({2, 20, 6, 6}).requires_grad_();
    Recorder recorder;
    at::Tensor y, dy;
    {
      const ObserverScope scope(*context, recorder);
      y = net->forward(x);
      dy = at::randn_like(y);
      y.backward(dy);
    }
    const auto& seen = recorder.operands;
    const auto get = [&](const std::string& name, const std::string& again) {
      const auto found = seen.find("0/" + name);
      return found != seen.end() ? found->second : seen.at("0/" + again);
    };
    const torch::NoGradGuard no_grad;
    const ConvGeometry& geometry = layer.spec().geometry;
    const PlainFormat result = layer.spec().precision.result;
    EXPECT_TRUE(at::equal(recorder.sources["0/fprop_x"], x));
    EXPECT_TRUE(at::equal(recorder.sources["0/fprop_w"], layer.weight));
    if (layer.spec().precision.full_precision()) continue;
    const ConvGemms& gemms = AtenFp32Gemms();
    EXPECT_TRUE(at::equal(
        y, RoundTo(gemms.Fprop(seen.at("0/fprop_x"), seen.at("0/fprop_w"),
                               layer.bias, geometry),
                   result)));
    EXPECT_TRUE(at::equal(
        x.grad(), RoundTo(gemms.Dgrad(seen.at("0/dgrad_dy"),
                                      get("dgrad_w", "fprop_w"), x, geometry),
                          result)));
    EXPECT_TRUE(at::equal(
        layer.weight.grad(),
        RoundTo(gemms.Wgrad(seen.at("0/wgrad_dy"), get("wgrad_x", "fprop_x"),
                            layer.weight, geometry),
                result)));
    EXPECT_TRUE(at::equal(recorder.sources["0/dgrad_dy"], dy));
    EXPECT_TRUE(at::equal(recorder.sources["0/wgrad_dy"], dy));

    // Watching changes nothing.
    const at::Tensor dx = x.grad().clone(), dw = layer.weight.grad().clone();
    x.mutable_grad().reset();
    net->zero_grad();
    const at::AutoGradMode grad(true);
    const at::Tensor unwatched = net->forward(x);
    unwatched.backward(dy);
    EXPECT_TRUE(at::equal(unwatched, y));
    EXPECT_TRUE(at::equal(x.grad(), dx));
    EXPECT_TRUE(at::equal(layer.weight.grad(), dw));
  }
}

TEST(GemmObserver, SeesTheSourceOfARefusedOperand) {
  torch::nn::Sequential net(MakeLayer());
  const auto context = std::make_shared<QuantContext>();
  Under(*net, "nvfp4", context);
  at::Tensor x = at::zeros({1, 20, 4, 4});
  x[0][1][2][3] = std::numeric_limits<float>::infinity();
  Recorder recorder;
  const ObserverScope scope(*context, recorder);
  EXPECT_THROW(net->forward(x), c10::Error);
  EXPECT_THAT(recorder.events, ElementsAre("source 0/fprop_x"));
}

struct Key {
  uint32_t seed = 7;
  int64_t step = 3;
  std::string layer = "layer";
  int threads = 1;
};

// What a step multiplies under `key`, by operand. Larger than what one thread
// quantises alone.
std::map<std::string, at::Tensor> Operands(const Key& key) {
  const int threads = at::get_num_threads();
  at::set_num_threads(key.threads);
  torch::manual_seed(4);
  torch::nn::Module net;
  QuantConv2d layer(torch::nn::Conv2dOptions(16, 16, 3).padding(1));
  net.register_module(key.layer, layer);
  const auto context = std::make_shared<QuantContext>();
  context->seed = key.seed;
  context->step = key.step;
  Under(net,
        "fp32:*/fprop_x=nvfp4:*/fprop_w=nvfp4_2d+sr:*/dgrad_w=nvfp4_2d+sr:"
        "*/dgrad_dy=nvfp4+sr:*/wgrad_dy=nvfp4+sr8:*/wgrad_x=mxfp4+sr",
        context);
  const at::Tensor x = at::randn({1, 16, 66, 66}).requires_grad_();
  const at::Tensor dy = at::randn({1, 16, 66, 66});
  Recorder recorder;
  {
    const ObserverScope scope(*context, recorder);
    layer->forward(x).backward(dy);
  }
  at::set_num_threads(threads);
  std::map<std::string, at::Tensor> values;
  for (const auto& [name, operand] : recorder.operands) {
    values[name.substr(name.find('/') + 1)] = operand.values;
  }
  return values;
}

TEST(RandomBits, AreThoseOfSeedStepLayerAndOperand) {
  const auto expected = Operands({});
  ASSERT_EQ(expected.size(), 6u);
  const auto expect_same = [&](const Key& key) {
    for (const auto& [operand, values] : Operands(key)) {
      EXPECT_TRUE(at::equal(values, expected.at(operand))) << operand;
    }
  };
  expect_same({});
  expect_same({7, 3, "layer", 2});
  const int64_t far = int64_t{1} << 32;
  for (const Key& key :
       {Key{8}, Key{7, 4}, Key{7, 3 + far}, Key{7, 3, "layers"}}) {
    for (const auto& [operand, values] : Operands(key)) {
      // Rounding to nearest takes no random bits.
      EXPECT_EQ(at::equal(values, expected.at(operand)), operand == "fprop_x")
          << operand;
    }
  }
  // Equal but for the stream: the operand of one GEMM or of another.
  EXPECT_FALSE(at::equal(expected.at("fprop_w"), expected.at("dgrad_w")));
}

}  // namespace
}  // namespace cnn_fp4::nn
