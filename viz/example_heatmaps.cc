#include "viz/example_heatmaps.h"

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::viz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> Layers() {
  std::vector<std::string> layers;
  for (int i = 1; i <= 4; ++i) {
    for (const char* part : {"conv1", "norm1", "conv2", "norm2"}) {
      layers.push_back(absl::StrCat("down", i, ".", part));
    }
  }
  layers.emplace_back("bottleneck.conv1");
  layers.emplace_back("bottleneck.conv2");
  for (int i = 4; i >= 1; --i) {
    for (const char* part : {"transpose", "conv1", "conv2"}) {
      layers.push_back(absl::StrCat("up", i, ".", part));
    }
  }
  for (int i = 1; i <= 3; ++i) {
    layers.push_back(absl::StrCat("head", i, ".conv"));
  }
  layers.emplace_back("output.conv");
  return layers;
}

// value(depth 0..1, time 0..1, normal noise).
using Field = std::function<double(double, double, double)>;

}  // namespace

HeatmapSet ExampleHeatmaps() {
  const std::vector<std::string> layers = Layers();
  std::vector<int64_t> steps;
  for (int64_t step = 0; step < 20; ++step) steps.push_back(step * 8);

  HeatmapSet set{"nvfp4",
                 "weights, before quantisation",
                 "semantic",
                 "fp16_vs_nvfp4_s025",
                 {}};
  std::mt19937 generator(243);
  std::normal_distribution<double> normal;
  const auto add = [&](std::string title, std::string statistic,
                       std::string unit, HeatmapScale scale,
                       std::string description, const Field& field) {
    Heatmap map{std::move(title),
                std::move(statistic),
                std::move(unit),
                layers,
                steps,
                {},
                scale,
                std::move(description)};
    for (size_t row = 0; row < layers.size(); ++row) {
      for (size_t col = 0; col < steps.size(); ++col) {
        const double depth = static_cast<double>(row) / 33.0;
        const double time = static_cast<double>(col) / 19.0;
        map.values.emplace_back(field(depth, time, normal(generator)));
      }
    }
    set.statistics.push_back(std::move(map));
  };
  add("Mean", "mean", "", HeatmapScale::kSymmetric,
      "Mean of the weights: drifts away from zero show.",
      [](double d, double t, double n) {
        return 0.004 * std::sin(6 * d) * t + 0.0004 * n;
      });
  add("Standard deviation", "std", "", HeatmapScale::kLog,
      "Spread of the weights.", [](double d, double t, double n) {
        return 0.12 * std::exp(-3.0 * std::sin(3.1 * d)) * (1 + 0.2 * t) *
               std::exp(0.03 * n);
      });
  add("Kurtosis", "kurtosis", "", HeatmapScale::kLog,
      "Heavy tails: 3 is a normal, 1.8 a uniform distribution.",
      [](double d, double t, double n) {
        return 1.8 + 8 * t * t * d +
               40 * std::exp(-200 * (d - 0.5) * (d - 0.5)) * t +
               0.1 * std::abs(n);
      });
  add("Largest magnitude", "amax", "", HeatmapScale::kLinear,
      "Sets the tensor scale.", [](double d, double t, double n) {
        return 0.3 + 0.5 * t * (1 - d) + 0.02 * std::abs(n);
      });
  add("Signal to quantisation noise", "sqnr_db", "dB", HeatmapScale::kLinear,
      "Signal power over error power of the quantised weights: higher is "
      "better, "
      "6 dB are one bit of resolution.",
      [](double d, double t, double n) {
        return 20.6 - 2.5 * d - 1.5 * t + 0.2 * n;
      });
  add("Underflow", "underflow_pct", "%", HeatmapScale::kPercent,
      "Non-zero values that the quantiser turns into zero.",
      [](double d, double t, double n) {
        return std::max(0.0, 6 + 9 * d * t + 0.5 * n);
      });
  add("Codes used", "codes_used", "of 16", HeatmapScale::kLinear,
      "Distinct FP4 codes that occur.", [](double d, double t, double n) {
        return std::min(16.0, std::round(13 + 2 * d + t + 0.4 * n));
      });
  add("Entropy of the codes", "entropy_bits", "bits", HeatmapScale::kLinear,
      "4 bits: all codes equally often.", [](double d, double t, double n) {
        return 3.6 - 0.4 * d - 0.2 * t + 0.02 * n;
      });
  for (Heatmap& map : set.statistics) {
    for (size_t col = 0; col < 4; ++col) map.values[33 * 20 + col].reset();
    for (size_t col = 14; col < 20; ++col) {
      map.values[9 * 20 + col] = std::nan("");
    }
    map.values[9 * 20 + 13] = kInfinity;
    map.values[20 * 20 + 3] = -kInfinity;
  }
  return set;
}

}  // namespace cnn_fp4::viz
