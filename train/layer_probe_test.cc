#include "train/layer_probe.h"

#include <torch/torch.h>

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::train {
namespace {

// The numbers by "<statistic>/<tensor>/<layer>", each of which occurs once.
std::map<std::string, double> ByKey(
    const std::vector<telemetry::LayerStats>& records) {
  std::map<std::string, double> by_key;
  for (const telemetry::LayerStats& stats : records) {
    for (const auto& [id, value] : stats.values) {
      const std::string key = absl::StrCat(
          telemetry::Info(id).key, "/", telemetry::Info(stats.tensor).directory,
          "/", stats.layer);
      EXPECT_TRUE(by_key.emplace(key, value).second) << key;
    }
  }
  return by_key;
}

// What one measured step says.
std::vector<telemetry::LayerStats> Probe(nn::UNet& net) {
  LayerProbe probe(net);
  torch::manual_seed(3);
  const at::Tensor images = at::randn({2, 3, 32, 32});
  probe.Begin(7);
  net.Forward(images).square().mean().backward();
  const auto records = probe.End();
  EXPECT_TRUE(records.ok()) << records.status();
  return *records;
}

std::unique_ptr<nn::UNet> MakeNet(const std::string& policy) {
  nn::UNetOptions options;
  options.model_scale_factor = 0.125;
  return *nn::UNet::Create(options, *nn::FindConvPrecision(policy), 5);
}

TEST(LayerProbe, MeasuresEveryPointOfThePipelineForEveryLayer) {
  const auto net = MakeNet("nvfp4");
  const std::map<std::string, double> numbers = ByKey(Probe(*net));
  for (const auto& layer : net->layers()) {
    const std::string& name = layer.spec->layer;
    for (const std::string tensor :
         {"weights/prequantize", "weights/quantized", "weights/dequantized",
          "activations", "gradients"}) {
      for (const std::string statistic : {"mean", "std", "kurtosis", "amax"}) {
        ASSERT_EQ(numbers.count(statistic + "/" + tensor + "/" + name), 1u)
            << statistic << " " << tensor << " " << name;
      }
    }
    for (const std::string tensor :
         {"weights/quantized", "activations", "gradients"}) {
      const double sqnr = numbers.at("sqnr_db/" + tensor + "/" + name);
      // An FP4 tensor has a signal to noise ratio of about 20 dB.
      EXPECT_GT(sqnr, 12) << tensor << " " << name;
      EXPECT_LT(sqnr, 40) << tensor << " " << name;
      EXPECT_LE(numbers.at("codes_used/" + tensor + "/" + name), 15);
      EXPECT_GE(numbers.at("codes_used/" + tensor + "/" + name), 4);
      EXPECT_LE(numbers.at("entropy_bits/" + tensor + "/" + name),
                std::log2(15.0));
    }
    // The largest weight of a block is a 6 or, after rounding of its scale,
    // nearly one.
    EXPECT_EQ(numbers.at("amax/weights/quantized/" + name), 6.0);
    const double raw = numbers.at("std/weights/prequantize/" + name);
    EXPECT_NEAR(numbers.at("std/weights/dequantized/" + name), raw, 0.05 * raw);
  }
}

// A sink that shows layers in the order of the records relies on it.
TEST(LayerProbe, EachKindOfTensorIsInTheOrderOfTheNet) {
  const auto net = MakeNet("nvfp4");
  std::vector<std::string> layers;
  for (const auto& layer : net->layers()) layers.push_back(layer.spec->layer);
  std::map<telemetry::TensorKind, std::vector<std::string>> measured;
  for (const telemetry::LayerStats& stats : Probe(*net)) {
    EXPECT_EQ(stats.step, 7);
    measured[stats.tensor].push_back(stats.layer);
  }
  EXPECT_EQ(measured.size(), 5u);
  for (const auto& [tensor, order] : measured) {
    EXPECT_EQ(order, layers) << telemetry::Info(tensor).directory;
  }
}

TEST(LayerProbe, APlainPolicyHasValuesAndNoCodes) {
  const auto net = MakeNet("fp16");
  const std::map<std::string, double> numbers = ByKey(Probe(*net));
  EXPECT_EQ(numbers.count("std/weights/prequantize/enc1.conv1"), 1u);
  for (const auto& [key, value] : numbers) {
    EXPECT_EQ(key.find("sqnr_db"), std::string::npos) << key;
    EXPECT_TRUE(std::isfinite(value)) << key;
  }
}

TEST(LayerProbe, AnOverflowedGradientIsCountedAndNoError) {
  const auto net = MakeNet("nvfp4");
  LayerProbe probe(*net);
  probe.Begin(1);
  net->Forward(at::randn({1, 3, 16, 16})).square().mean().backward();
  net->layers()[2].weight->mutable_grad().flatten()[4] =
      std::numeric_limits<float>::infinity();
  const auto records = probe.End();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(ByKey(*records).at("nonfinite/gradients/enc2.conv1"), 1.0);
}

}  // namespace
}  // namespace cnn_fp4::train
