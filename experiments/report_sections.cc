#include "experiments/report_sections.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "experiments/code_map_section.h"
#include "experiments/histogram_section.h"
#include "experiments/layer_ranking.h"
#include "experiments/report_curves.h"
#include "experiments/what_if_section.h"
#include "viz/html_table.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

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
                      CodeMapSection(arms, order),
                      HistogramSection(arms, order));
}

}  // namespace cnn_fp4::experiments
