#include "experiments/report_sections.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "experiments/code_map_section.h"
#include "experiments/layer_ranking.h"
#include "experiments/report_curves.h"
#include "experiments/report_data.h"
#include "experiments/what_if_section.h"
#include "nlohmann/json.hpp"
#include "telemetry/statistics.h"
#include "viz/html_table.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::TensorKind;
using Json = nlohmann::ordered_json;

// A raw string literal made by the build of the file beside this one.
constexpr char kHistogramsScript[] =
#include "experiments/code_histograms.js.inc"
    ;

// The layers of one arm; empty for an arm without FP4.
std::string Ranking(const std::string& name, const ReportArm& arm) {
  const std::optional<LayerRanking> ranking = RankLayers(arm);
  if (!ranking.has_value()) return "";
  return absl::StrCat(
      "<h3>", viz::EscapeHtml(name), "</h3>\n<p>",
      viz::EscapeHtml(absl::StrFormat(
          "%s loses most: %.1f dB about the mean in its worse operand; the "
          "layer in the middle has %.1f dB.",
          ranking->worst, ranking->worst_db, ranking->middle_db)),
      "</p>\n<details><summary>All layers</summary>\n",
      viz::HtmlTable(ranking->table), "</details>\n");
}

std::vector<int64_t> StepsOf(const ReportArm& arm) {
  std::set<int64_t> all;
  for (const auto& [name, layer] : arm.layers) {
    for (const auto& [kind, by_step] : layer.codes) {
      for (const auto& [step, counts] : by_step) all.insert(step);
    }
  }
  return {all.begin(), all.end()};
}

// Every n-th step and the last one.
std::vector<int64_t> Thinned(const std::vector<int64_t>& steps) {
  const size_t stride =
      (steps.size() + kMaxHistogramSteps - 1) / kMaxHistogramSteps;
  std::vector<int64_t> shown;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i % stride == 0 || i + 1 == steps.size()) shown.push_back(steps[i]);
  }
  return shown;
}

Json CodesJson(const ReportLayer& layer, TensorKind kind,
               const std::vector<int64_t>& steps) {
  const auto codes = layer.codes.find(kind);
  if (codes == layer.codes.end()) return nullptr;
  Json list = Json::array();
  for (const int64_t step : steps) {
    const auto counts = codes->second.find(step);
    list.push_back(counts == codes->second.end()
                       ? Json(std::vector<int64_t>(16, 0))
                       : Json(counts->second));
  }
  return list;
}

std::string Histograms(const ReportArms& arms,
                       const std::vector<std::string>& order) {
  Json list = Json::array();
  size_t most_steps = 0, all_steps = 0;
  for (const std::string& name : order) {
    const auto found = arms.find(name);
    if (found == arms.end()) continue;
    const ReportArm& arm = found->second;
    const std::vector<int64_t> all = StepsOf(arm);
    const std::vector<int64_t> steps = Thinned(all);
    Json layers = Json::array();
    for (const std::string& layer : arm.order) {
      const ReportLayer& numbers = arm.layers.at(layer);
      if (numbers.codes.empty()) continue;
      layers.push_back(
          {{"name", layer},
           {"weights",
            CodesJson(numbers, TensorKind::kWeightsQuantized, steps)},
           {"activations",
            CodesJson(numbers, TensorKind::kActivations, steps)}});
    }
    if (layers.empty()) continue;
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
      "<h2>Which FP4 values are used</h2>\n", thinned,
      "<div id=\"code-histograms\"></div>\n<script id=\"codes\" "
      "type=\"application/json\">",
      viz::EscapeJsonForScript(Json{{"arms", std::move(list)}}.dump()),
      "</script>\n<script>\n", kHistogramsScript, "</script>\n");
}

}  // namespace

std::string ReportSections(const ReportArms& arms,
                           const std::vector<std::string>& order,
                           const std::vector<train::Metric>& metrics) {
  std::string html = CurvesSection(arms, order, metrics);
  std::string rankings;
  for (const std::string& name : order) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) continue;
    absl::StrAppend(&rankings, Ranking(name, arm->second));
  }
  if (!rankings.empty()) {
    absl::StrAppend(
        &html, "<h2>Layers by what FP4 costs them</h2>\n<p>",
        "At the last recorded step: how much larger the variance of an operand "
        "is than the error of quantising it, in the image of the batch, or the "
        "filter of a weight, for which that is least. What tells values apart "
        "is their difference from the mean, so an operand whose values lie "
        "close to one another, far from zero, has a high SQNR and is still "
        "badly rendered.</p>\n",
        rankings);
  }
  return absl::StrCat(html, WhatIfSection(arms, order),
                      CodeMapSection(arms, order), Histograms(arms, order));
}

}  // namespace cnn_fp4::experiments
