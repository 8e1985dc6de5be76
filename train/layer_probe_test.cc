#include "train/layer_probe.h"

#include <torch/torch.h>

#include <cmath>
#include <map>

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

// Everything that one measured step says, by key.
std::map<std::string, double> Probe(nn::UNet& net, StatisticsHistory& history) {
  LayerProbe probe(net, history);
  torch::manual_seed(3);
  const at::Tensor images = at::randn({2, 3, 32, 32});
  probe.Begin(7);
  net.Forward(images).square().mean().backward();
  const auto numbers = probe.End();
  EXPECT_TRUE(numbers.ok()) << numbers.status();
  std::map<std::string, double> by_key;
  for (const auto& [key, number] : *numbers) {
    EXPECT_TRUE(by_key.emplace(key, number.value()).second) << key;
  }
  return by_key;
}

std::unique_ptr<nn::UNet> MakeNet(const std::string& policy) {
  nn::UNetOptions options;
  options.model_scale_factor = 0.125;
  return *nn::UNet::Create(options, *nn::FindConvPrecision(policy), 5);
}

StatisticsHistory MakeHistory(const nn::UNet& net) {
  std::vector<std::string> layers;
  for (const auto& layer : net.layers()) layers.push_back(layer.spec->layer);
  return StatisticsHistory(layers);
}

TEST(LayerProbe, MeasuresEveryPointOfThePipelineForEveryLayer) {
  const auto net = MakeNet("nvfp4");
  StatisticsHistory history = MakeHistory(*net);
  auto numbers = Probe(*net, history);
  for (const auto& layer : net->layers()) {
    const std::string& name = layer.spec->layer;
    for (const std::string tensor :
         {"weights_prequantize", "weights_quantized", "weights_dequantized",
          "activations", "gradients"}) {
      for (const std::string statistic : {"mean", "std", "kurtosis", "amax"}) {
        ASSERT_EQ(numbers.count(statistic + "/" + tensor + "/" + name), 1u)
            << statistic << " " << tensor << " " << name;
      }
    }
    for (const std::string tensor :
         {"weights_quantized", "activations", "gradients"}) {
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
    EXPECT_EQ(numbers.at("amax/weights_quantized/" + name), 6.0);
    const double raw = numbers.at("std/weights_prequantize/" + name);
    EXPECT_NEAR(numbers.at("std/weights_dequantized/" + name), raw, 0.05 * raw);
  }
  const auto artefacts = history.Heatmaps("m", "semantic", "e");
  ASSERT_EQ(artefacts.size(), 5u);
  for (const auto& artefact : artefacts) {
    EXPECT_TRUE(viz::ValidateHeatmapSet(artefact.heatmaps).ok());
    EXPECT_EQ(artefact.heatmaps.statistics[0].columns, std::vector<int64_t>{7});
  }
}

TEST(LayerProbe, APlainPolicyHasValuesAndNoCodes) {
  const auto net = MakeNet("fp16");
  StatisticsHistory history = MakeHistory(*net);
  const auto numbers = Probe(*net, history);
  EXPECT_EQ(numbers.count("std/weights_prequantize/enc1.conv1"), 1u);
  for (const auto& [key, value] : numbers) {
    EXPECT_EQ(key.find("sqnr_db"), std::string::npos) << key;
    EXPECT_TRUE(std::isfinite(value)) << key;
  }
}

TEST(LayerProbe, AnOverflowedGradientIsCountedAndNoError) {
  const auto net = MakeNet("nvfp4");
  StatisticsHistory history = MakeHistory(*net);
  LayerProbe probe(*net, history);
  probe.Begin(1);
  net->Forward(at::randn({1, 3, 16, 16})).square().mean().backward();
  net->layers()[2].weight->mutable_grad().flatten()[4] =
      std::numeric_limits<float>::infinity();
  const auto numbers = probe.End();
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  double nonfinite = 0;
  for (const auto& [key, number] : *numbers) {
    if (key == "nonfinite/gradients/enc2.conv1") nonfinite = number.value();
  }
  EXPECT_EQ(nonfinite, 1.0);
}

}  // namespace
}  // namespace cnn_fp4::train
