#include "experiments/histogram_section.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "telemetry/histogram.h"
#include "telemetry/statistics.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::HistogramOf;
using telemetry::TensorKind;
using Json = nlohmann::ordered_json;

// A raw string literal made by the build of the file beside this one.
constexpr char kScript[] =
#include "experiments/histograms.js.inc"
    ;

struct TensorTitle {
  TensorKind kind;
  const char* title;  // The layer's name follows.
};

// In the order in which they are shown: weights and activations side by side.
constexpr TensorTitle kTensors[] = {
    {TensorKind::kWeightsPrequantize, "Weights of "},
    {TensorKind::kWeightsQuantized, "Weights of "},
    {TensorKind::kActivations, "Activations that enter "},
    {TensorKind::kGradients, "Gradient of the weights of "},
    {TensorKind::kOutputGradients, "Gradient of what leaves "},
    {TensorKind::kWgradActivations, "Activations, as wgrad has them, of "},
    {TensorKind::kWgradOutputGradients, "Gradient, as wgrad has it, of "},
    {TensorKind::kWeightsDequantized, "De-quantised weights of "},
};

std::vector<int64_t> StepsOf(const ReportArm& arm) {
  std::set<int64_t> all;
  for (const auto& [name, layer] : arm.layers) {
    for (const auto& [key, by_step] : layer.histograms) {
      for (const auto& [step, histogram] : by_step) all.insert(step);
    }
  }
  return {all.begin(), all.end()};
}

// Every n-th step and the last one.
std::vector<int64_t> Thinned(const std::vector<int64_t>& steps, size_t most) {
  const size_t stride = (steps.size() + most - 1) / most;
  std::vector<int64_t> shown;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i % stride == 0 || i + 1 == steps.size()) shown.push_back(steps[i]);
  }
  return shown;
}

// As the page draws it: `first` is the place of the first count. What is zero
// or not finite has no place among powers of two.
struct Bars {
  int64_t first = 0;
  std::vector<int64_t> counts;
  int64_t zeros = 0;
  int64_t nonfinite = 0;
};

Bars BarsOf(telemetry::LayerHistogram histogram) {
  if (histogram.of == HistogramOf::kCodes) return {0, histogram.counts, 0, 0};
  // E4M3 has a zero, the scale of a block of zeros.
  if (histogram.of == HistogramOf::kE4m3Scales && histogram.first == 0 &&
      !histogram.counts.empty()) {
    histogram.zeros = std::exchange(histogram.counts[0], 0);
  }
  const telemetry::HistogramBins bins = telemetry::BinsForDisplay(histogram);
  return {static_cast<int64_t>(bins.left),
          {bins.counts.begin(), bins.counts.end()},
          histogram.zeros,
          histogram.nonfinite};
}

// One tensor's histograms at `steps`, all with the same bars: from the first to
// the last that has a count at any of them.
Json ChartJson(const HistogramsByStep& by_step,
               const std::vector<int64_t>& steps, const char* title) {
  std::vector<Bars> at_steps;
  const bool codes = by_step.begin()->second.of == HistogramOf::kCodes;
  size_t first = SIZE_MAX, last = 0;
  std::vector<int64_t> zeros, nonfinite;
  for (const int64_t step : steps) {
    const auto found = by_step.find(step);
    at_steps.push_back(found == by_step.end() ? Bars() : BarsOf(found->second));
    zeros.push_back(at_steps.back().zeros);
    nonfinite.push_back(at_steps.back().nonfinite);
    const std::vector<int64_t>& counts = at_steps.back().counts;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0 && !codes) continue;
      first = std::min(first, i);
      last = std::max(last, i);
    }
  }
  Json chart = {{"title", title}, {"first", 0}, {"counts", Json::array()}};
  for (const Bars& bars : at_steps) {
    // Nothing was measured at this step.
    if (bars.counts.empty() || first > last) {
      chart["counts"].push_back(nullptr);
      continue;
    }
    chart["first"] = bars.first + static_cast<int64_t>(first);
    chart["counts"].push_back(std::vector<int64_t>(
        bars.counts.begin() + static_cast<int64_t>(first),
        bars.counts.begin() + static_cast<int64_t>(last) + 1));
  }
  if (!codes) {
    chart["zeros"] = zeros;
    chart["nonfinite"] = nonfinite;
  }
  return chart;
}

// The charts of a layer by what they count: {"codes": [...], ...}.
Json LayerJson(const ReportLayer& layer, const std::vector<int64_t>& steps) {
  Json charts = Json::object();
  for (const auto& [key, kinds] :
       {std::pair<const char*, std::vector<HistogramOf>>{"codes",
                                                         {HistogramOf::kCodes}},
        {"magnitudes", {HistogramOf::kExponents}},
        {"scales", {HistogramOf::kE4m3Scales, HistogramOf::kE8m0Scales}}}) {
    for (const TensorTitle& tensor : kTensors) {
      for (const HistogramOf of : kinds) {
        const auto found = layer.histograms.find({tensor.kind, of});
        if (found == layer.histograms.end()) continue;
        charts[key].push_back(ChartJson(found->second, steps, tensor.title));
      }
    }
  }
  return charts;
}

}  // namespace

std::string HistogramSection(const ReportArms& arms,
                             const std::vector<std::string>& order) {
  const size_t most = std::max<size_t>(
      4, kMaxHistogramSteps / std::max<size_t>(1, order.size()));
  Json list = Json::array();
  size_t most_steps = 0, all_steps = 0;
  for (const std::string& name : order) {
    const auto found = arms.find(name);
    if (found == arms.end()) continue;
    const ReportArm& arm = found->second;
    const std::vector<int64_t> all = StepsOf(arm);
    if (all.empty()) continue;
    const std::vector<int64_t> steps = Thinned(all, most);
    Json layers = Json::array();
    for (const std::string& layer : arm.order) {
      const ReportLayer& numbers = arm.layers.at(layer);
      if (numbers.histograms.empty()) continue;
      layers.push_back(
          {{"name", layer}, {"charts", LayerJson(numbers, steps)}});
    }
    most_steps = std::max(most_steps, steps.size());
    all_steps = std::max(all_steps, all.size());
    list.push_back(
        {{"name", name}, {"steps", steps}, {"layers", std::move(layers)}});
  }
  if (list.empty()) return "";
  const std::string thinned =
      all_steps > most_steps
          ? absl::StrCat("<p class=\"note\">", most_steps, " of ", all_steps,
                         " recorded steps are here; metrics.jsonl has all."
                         "</p>\n")
          : "";
  return absl::StrCat(
      "<h2>How values are spread</h2>\n<p>Which FP4 values a tensor of a layer "
      "uses, how large its values are before they are quantised, and the "
      "scales of its blocks. A gradient of weights is not quantised in "
      "training; it is shown as it would be, like the weights.</p>\n",
      thinned,
      "<div id=\"histogram-charts\"></div>\n<script id=\"histograms\" "
      "type=\"application/json\">",
      viz::EscapeJsonForScript(Json{{"arms", std::move(list)}}.dump()),
      "</script>\n<script>\n", kScript, "</script>\n");
}

}  // namespace cnn_fp4::experiments
