#include "train/layer_probe.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nn/layers/learned_scale.h"
#include "telemetry/fp4_values.h"
#include "train/layer_probe_fixture.h"

namespace cnn_fp4::train {
namespace {

using telemetry::TensorKind;

TEST(LayerProbe, MeasuresEveryPointOfThePipelineInTheOrderOfTheNet) {
  const TestNet test = MakeTestNet("nvfp4_forward_all");
  std::map<TensorKind, std::vector<std::string>> measured;
  for (const telemetry::LayerStats& stats : Probe(test)) {
    EXPECT_EQ(stats.step, 7);
    measured[stats.tensor].push_back(stats.layer);
  }
  // Straight through, wgrad multiplies the operands of the others.
  EXPECT_EQ(measured.size(), telemetry::TensorKinds().size() - 2);
  for (const auto& [tensor, order] : measured) {
    std::vector<std::string> names = LayerNames(test);
    // Nobody needs the gradient of the images.
    if (tensor == TensorKind::kOutputGradients) names.erase(names.begin());
    EXPECT_EQ(order, names) << telemetry::Info(tensor).directory;
  }
}

// One measured step of a probe; the net's gradients are anew.
std::vector<telemetry::Payload> Measure(const TestNet& test,
                                        LayerProbe& probe) {
  test.net->zero_grad();
  probe.Begin(7);
  test.net->forward(Images()).dense.square().mean().backward();
  auto records = probe.End();
  EXPECT_TRUE(records.ok()) << records.status();
  return *std::move(records);
}

TEST(LayerProbe, CountsTheFp4ValuesThatChangedSinceTheLastRecord) {
  const TestNet test = MakeTestNet("nvfp4_forward_all");
  LayerProbe probe(*test.net, *test.context, {});
  const std::string key = "codes_flipped_pct/weights/quantized/";
  // There is no record before the first one.
  for (const auto& [name, value] : ByKey(Statistics(Measure(test, probe)))) {
    EXPECT_EQ(name.find("codes_flipped_pct"), std::string::npos) << name;
  }
  const nn::NamedLayer layer = nn::QuantLayers(*test.net)[1];
  at::Tensor kernel = layer.layer->kernel();
  {
    const at::NoGradGuard no_grad;
    kernel.neg_();  // What is not zero has the other sign.
  }
  const auto records = Measure(test, probe);
  const Numbers numbers = ByKey(Statistics(records));
  for (const std::string& name : LayerNames(test)) {
    if (name != layer.info.name) {
      EXPECT_EQ(numbers.at(key + name), 0) << name;
    }
  }
  for (const telemetry::Payload& payload : records) {
    const auto* const codes = std::get_if<telemetry::LayerHistogram>(&payload);
    if (codes == nullptr || codes->layer != layer.info.name ||
        codes->tensor != TensorKind::kWeightsQuantized ||
        codes->of != telemetry::HistogramOf::kCodes) {
      continue;
    }
    const auto zeros = static_cast<double>(codes->counts[0] + codes->counts[8]);
    EXPECT_DOUBLE_EQ(numbers.at(key + layer.info.name),
                     100 * (1 - zeros / static_cast<double>(kernel.numel())));
  }
  EXPECT_EQ(ByKey(Statistics(Measure(test, probe))).at(key + layer.info.name),
            0);
}

TEST(LayerProbe, TellsHowFarTheOptimiserMovedEachWeight) {
  const TestNet test = MakeTestNet("fp16");
  LayerProbe probe(*test.net, *test.context, {});
  std::vector<telemetry::Payload> records = Measure(test, probe);
  const nn::NamedLayer layer = nn::QuantLayers(*test.net)[2];
  {
    const at::NoGradGuard no_grad;
    at::Tensor kernel = layer.layer->kernel();
    kernel.mul_(1.5);
  }
  probe.AddUpdates(records);
  const Numbers numbers = ByKey(Statistics(records));
  for (const std::string& name : LayerNames(test)) {
    EXPECT_EQ(numbers.at("update_ratio/weights/prequantize/" + name),
              name == layer.info.name ? 0.5 : 0)
        << name;
  }
}

TEST(LayerProbe, SaysWhatARecipeWouldDoThatIsNotInUse) {
  const quant::Recipe recipe = *quant::FindRecipe("nvfp4");
  const auto probed = [&](const std::string& policy) {
    const TestNet test = MakeTestNet(policy);
    LayerProbe probe(*test.net, *test.context, {recipe});
    std::vector<telemetry::LayerStats> used, asked;
    for (const telemetry::LayerStats& stats :
         Statistics(Measure(test, probe))) {
      EXPECT_TRUE(stats.recipe.empty() || stats.recipe == "nvfp4");
      (stats.recipe.empty() ? used : asked).push_back(stats);
    }
    return std::make_pair(ByKey(used), ByKey(asked));
  };
  // What is in use, asked about, says the same; the weights of the up-
  // convolutions included, whose channels lie elsewhere.
  const auto [used, asked] = probed("nvfp4_forward_all");
  EXPECT_EQ(asked.size(), 2u * 3 * LayerNames(MakeTestNet("fp16")).size());
  for (const auto& [key, value] : asked) EXPECT_EQ(used.at(key), value) << key;
  // Under FP16 the first layer sees the same images and has the same weights.
  const auto [fp16, would] = probed("fp16");
  for (const char* const key : {"sqnr_db/activations/enc1.conv1",
                                "underflow_pct/activations/enc1.conv1",
                                "sqnr_db/weights/quantized/enc1.conv1"}) {
    EXPECT_EQ(fp16.count(key), 0u);
    EXPECT_EQ(would.at(key), used.at(key)) << key;
  }
}

TEST(LayerProbe, ChangesNothingThatIsComputed) {
  const TestNet test = MakeTestNet("nvfp4_forward_all");
  const at::Tensor unwatched = test.net->forward(Images()).dense;
  LayerProbe probe(*test.net, *test.context, {});
  probe.Begin(1);
  EXPECT_TRUE(at::equal(test.net->forward(Images()).dense, unwatched));
}

TEST(LayerProbe, APlainPolicyHasValuesAndNoCodes) {
  for (const std::string policy : {"fp16", "fp32"}) {
    const Numbers numbers = ByKey(Probe(MakeTestNet(policy)));
    EXPECT_EQ(numbers.count("std/weights/prequantize/enc1.conv1"), 1u);
    EXPECT_EQ(numbers.count("std/activations/dec1.conv2"), 1u);
    EXPECT_EQ(numbers.count("std/gradients/dec4.up"), 1u);
    EXPECT_EQ(numbers.count("std/output_gradients/dec4.up"),
              policy == "fp16" ? 1u : 0u);
    for (const auto& [key, value] : numbers) {
      EXPECT_EQ(key.find("sqnr_db"), std::string::npos) << key;
      EXPECT_TRUE(std::isfinite(value)) << key;
    }
  }
}

TEST(LayerProbe, GradientsOfTheOutputsAreWhatDgradMultiplied) {
  // They are small: without a tensor scale nothing is left of those that the
  // last layer multiplies, and the others have nothing to multiply.
  const Numbers one = ByKey(Probe(MakeTestNet("nvfp4_1level")));
  EXPECT_EQ(one.at("underflow_pct/output_gradients/dec1.conv2"), 100);
  EXPECT_EQ(one.at("codes_used/output_gradients/dec1.conv2"), 1);
  EXPECT_EQ(one.at("amax/output_gradients/dec1.conv1"), 0);
  const Numbers two = ByKey(Probe(MakeTestNet("nvfp4_1level_scaled")));
  EXPECT_EQ(two.at("amax/output_gradients/dec1.conv2"),
            one.at("amax/output_gradients/dec1.conv2"));
  for (const char* const layer : {"enc1.conv2", "dec1.up", "dec1.conv2"}) {
    const std::string name = absl::StrCat("/output_gradients/", layer);
    EXPECT_GT(two.at("amax" + name), 0) << layer;
    EXPECT_LT(two.at("underflow_pct" + name), 50) << layer;
    EXPECT_EQ(two.at("codes_used" + name), 15) << layer;
  }
}

TEST(LayerProbe, ScalesThatAreLearntAreRecorded) {
  const TestNet test = MakeTestNet(
      "nvfp4_forward_all:enc2.conv2/fprop_w=nvfp4+lsq:"
      "enc2.conv2/fprop_x=nvfp4+pact");
  const Numbers numbers = ByKey(Probe(test));
  const auto parameters = test.net->named_parameters();
  EXPECT_EQ(numbers.at("learned_scale/weights/quantized/enc2.conv2"),
            nn::WeightScale(parameters["enc2.conv2.w_log2_scale"])
                .mean()
                .item<double>());
  EXPECT_EQ(numbers.at("learned_scale/activations/enc2.conv2"),
            parameters["enc2.conv2.x_clip"].item<double>());
  EXPECT_EQ(numbers.count("learned_scale/gradients/enc2.conv2"), 0u);
  EXPECT_EQ(numbers.count("learned_scale/activations/enc1.conv2"), 0u);
}

TEST(LayerProbe, FollowsThePolicyOfEachLayer) {
  const Numbers numbers = ByKey(Probe(MakeTestNet("nvfp4:first=bf16")));
  EXPECT_EQ(numbers.count("sqnr_db/activations/enc1.conv1"), 0u);
  EXPECT_EQ(numbers.count("sqnr_db/activations/enc1.conv2"), 1u);
}

TEST(LayerProbe, AnOverflowedGradientIsCountedAndNoError) {
  const TestNet test = MakeTestNet("nvfp4_forward_all");
  LayerProbe probe(*test.net, *test.context, {});
  probe.Begin(1);
  test.net->forward(at::randn({1, 3, 16, 16})).dense.square().mean().backward();
  nn::QuantLayers(*test.net)[2].layer->kernel().mutable_grad().flatten()[4] =
      std::numeric_limits<float>::infinity();
  const auto records = probe.End();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(ByKey(Statistics(*records)).at("nonfinite/gradients/enc2.conv1"),
            1.0);
}

// By "<of>/<tensor>/<layer>".
std::map<std::string, telemetry::LayerHistogram> Histograms(
    const TestNet& test) {
  std::map<std::string, telemetry::LayerHistogram> by_key;
  for (const telemetry::Payload& payload : ProbeAll(test)) {
    if (const auto* found = std::get_if<telemetry::LayerHistogram>(&payload)) {
      EXPECT_EQ(found->step, 7);
      by_key[absl::StrCat(telemetry::HistogramKey(found->of), "/",
                          telemetry::Info(found->tensor).directory, "/",
                          found->layer)] = *found;
    }
  }
  return by_key;
}

int64_t Sum(const telemetry::LayerHistogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(),
                         int64_t{0});
}

TEST(LayerProbeTest, HistogramsCountEveryValueCodeAndScale) {
  const TestNet test = MakeTestNet("nvfp4_all");
  const auto histograms = Histograms(test);
  const std::string layer = "enc1.conv1";
  const int64_t images = 2 * 3 * 32 * 32;
  const auto& exponents = histograms.at("exponents/activations/" + layer);
  EXPECT_EQ(Sum(exponents) + exponents.zeros, images);
  // Of a standard normal distribution 0.2718 lie from 1 to 2 on either side.
  EXPECT_NEAR(static_cast<double>(exponents.counts[24]) / images, 0.2718, 0.02);
  EXPECT_EQ(Sum(histograms.at("codes/activations/" + layer)), images);
  // Three channels are a short block at each position.
  EXPECT_EQ(Sum(histograms.at("e4m3_scales/activations/" + layer)), images / 3);
  for (const std::string& name : LayerNames(test)) {
    for (const char* const key :
         {"exponents/weights/prequantize/", "codes/weights/quantized/",
          "e4m3_scales/weights/quantized/", "exponents/weights/dequantized/",
          "exponents/gradients/", "codes/gradients/",
          "e4m3_scales/gradients/"}) {
      EXPECT_EQ(histograms.count(key + name), 1u) << key << name;
    }
  }
}

TEST(LayerProbeTest, WithoutQuantisationThereAreHistogramsOfValuesAlone) {
  for (const auto& [key, histogram] : Histograms(MakeTestNet("fp16"))) {
    EXPECT_EQ(histogram.of, telemetry::HistogramOf::kExponents) << key;
  }
}

TEST(LayerProbe, SamplesWeightsWhereItIsAskedTo) {
  const TestNet test = MakeTestNet("nvfp4");
  const auto samples = [&](bool sample_weights) {
    LayerProbe probe(*test.net, *test.context, {});
    probe.Begin(7, sample_weights);
    test.net->forward(Images());
    const auto measured = probe.End();
    EXPECT_TRUE(measured.ok()) << measured.status();
    std::map<std::string, telemetry::WeightSample> found;
    for (const telemetry::Payload& payload : *measured) {
      if (const auto* one = std::get_if<telemetry::WeightSample>(&payload)) {
        found[one->layer] = *one;
      }
    }
    return found;
  };
  EXPECT_TRUE(samples(false).empty());
  const auto found = samples(true);
  // The first layer is in BF16.
  EXPECT_EQ(found.size(), LayerNames(test).size() - 1);
  for (const nn::NamedLayer& layer : nn::QuantLayers(*test.net)) {
    const auto sample = found.find(layer.info.name);
    if (sample == found.end()) continue;
    const at::Tensor kernel =
        layer.layer->kernel().detach().flatten(1).contiguous();
    EXPECT_EQ(sample->second.step, 7);
    EXPECT_EQ(sample->second.rows, kernel.size(0));
    EXPECT_EQ(sample->second.columns, kernel.size(1));
    for (int64_t row = 0; row < sample->second.kept_rows(); ++row) {
      for (int64_t col = 0; col < sample->second.kept_columns(); ++col) {
        const size_t i = row * sample->second.kept_columns() + col;
        const float value = kernel[row * sample->second.row_stride]
                                  [col * sample->second.column_stride]
                                      .item<float>();
        ASSERT_EQ(sample->second.values[i], value) << layer.info.name;
        // E2M1's values lie 2 apart at most, and 6 is clipped by a third of the
        // scale at most, which E4M3 rounds by a sixteenth.
        ASSERT_NEAR(telemetry::Fp4Value(sample->second.codes[i]) *
                        sample->second.scales[i],
                    value, 1.01 * sample->second.scales[i])
            << layer.info.name;
      }
    }
  }
}

TEST(LayerProbe, MeasuresOperandsOfWgradThatHaveAQuantisationOfTheirOwn) {
  const TestNet test = MakeTestNet("nvfp4_all");
  std::map<TensorKind, std::vector<std::string>> measured;
  for (const telemetry::LayerStats& stats : Probe(test)) {
    measured[stats.tensor].push_back(stats.layer);
  }
  EXPECT_EQ(measured.at(TensorKind::kWgradActivations), LayerNames(test));
  EXPECT_EQ(measured.at(TensorKind::kWgradOutputGradients), LayerNames(test));
  const Numbers numbers = ByKey(Probe(test));
  for (const std::string& layer : LayerNames(test)) {
    // Compared in the basis in which they were rounded, they are close.
    const double x = numbers.at("sqnr_db/wgrad/activations/" + layer);
    const double dy = numbers.at("sqnr_db/wgrad/output_gradients/" + layer);
    EXPECT_GT(x, 14) << layer;
    EXPECT_LT(x, 30) << layer;
    EXPECT_GT(dy, 10) << layer;
    EXPECT_LT(dy, 30) << layer;
    EXPECT_EQ(numbers.count("sqnr_centered_db/wgrad/activations/" + layer), 0u);
    EXPECT_EQ(numbers.count("p50/wgrad/activations/" + layer), 0u);
  }
  // Plain formats have none.
  for (const auto& [key, value] : ByKey(Probe(MakeTestNet("fp16")))) {
    EXPECT_EQ(key.find("wgrad"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace cnn_fp4::train
