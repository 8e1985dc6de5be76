#include "experiments/code_map_section.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "telemetry/fp4_values.h"
#include "telemetry/histogram.h"
#include "telemetry/statistics.h"
#include "viz/html_text.h"
#include "viz/matrix_plot.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::TensorKind;

std::string Figure(const ReportArm& arm, TensorKind kind,
                   const std::string& title) {
  viz::MatrixPlot plot{title, {}, telemetry::Fp4ValueNames(), {}};
  for (const std::string& name : arm.order) {
    const auto& histograms = arm.layers.at(name).histograms;
    const auto steps = histograms.find({kind, telemetry::HistogramOf::kCodes});
    if (steps == histograms.end()) continue;
    const std::vector<int64_t>& counts = steps->second.rbegin()->second.counts;
    const std::vector<double> shares = telemetry::Fp4Shares(counts);
    if (shares.empty()) continue;
    plot.rows.push_back(name);
    plot.shares.insert(plot.shares.end(), shares.begin(), shares.end());
  }
  if (plot.rows.empty()) return "";
  return absl::StrCat("<figure class=\"plot\"><figcaption>",
                      viz::EscapeHtml(title), "</figcaption>\n",
                      viz::MatrixPlotSvg(plot), "</figure>\n");
}

}  // namespace

std::string CodeMapSection(const ReportArms& arms,
                           const std::vector<std::string>& order) {
  std::string figures;
  for (const std::string& name : order) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) continue;
    absl::StrAppend(
        &figures,
        Figure(arm->second, TensorKind::kWeightsQuantized,
               absl::StrCat(name, ": weights")),
        Figure(arm->second, TensorKind::kActivations,
               absl::StrCat(name, ": activations that enter the layer")));
  }
  if (figures.empty()) return "";
  return absl::StrCat(
      "<h2>FP4 values by layer</h2>\n<p>Share of each value at the last "
      "recorded step. Dark ends of a row are large values that its blocks do "
      "not need; a bright zero is what became too small for its block.</p>\n"
      "<div class=\"pair\">\n",
      figures, "</div>\n");
}

}  // namespace cnn_fp4::experiments
