#ifndef TRAIN_LAYER_PROBE_FIXTURE_H_
#define TRAIN_LAYER_PROBE_FIXTURE_H_

// What the tests of the probe share: one measured step of a small UNet.

#include <torch/torch.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "telemetry/statistics.h"
#include "train/layer_probe.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
using Numbers = std::map<std::string, double>;

// The numbers by "<statistic>/<tensor>/<layer>", each of which occurs once.
inline Numbers ByKey(const std::vector<telemetry::LayerStats>& records) {
  Numbers by_key;
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

inline at::Tensor Images() {
  torch::manual_seed(3);
  return at::randn({2, 3, 32, 32});
}

// What one measured step says.
inline std::vector<telemetry::Payload> ProbeAll(const TestNet& test) {
  LayerProbe probe(*test.net, *test.context, {});
  probe.Begin(7);
  test.net->forward(Images()).dense.square().mean().backward();
  const auto records = probe.End();
  EXPECT_TRUE(records.ok()) << records.status();
  EXPECT_TRUE(test.context->observers.empty());
  return *records;
}

inline std::vector<telemetry::LayerStats> Statistics(
    const std::vector<telemetry::Payload>& measured) {
  std::vector<telemetry::LayerStats> stats;
  for (const telemetry::Payload& payload : measured) {
    if (const auto* found = std::get_if<telemetry::LayerStats>(&payload)) {
      stats.push_back(*found);
    }
  }
  return stats;
}

inline std::vector<telemetry::LayerStats> Probe(const TestNet& test) {
  return Statistics(ProbeAll(test));
}

inline std::vector<std::string> LayerNames(const TestNet& test) {
  std::vector<std::string> names;
  for (const nn::NamedLayer& layer : nn::QuantLayers(*test.net)) {
    if (layer.info.role != nn::LayerRole::kOutput) {
      names.push_back(layer.info.name);
    }
  }
  return names;
}

}  // namespace cnn_fp4::train

#endif  // TRAIN_LAYER_PROBE_FIXTURE_H_
