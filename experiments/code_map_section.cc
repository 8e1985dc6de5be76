#include "experiments/code_map_section.h"

#include <cstdint>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "telemetry/statistics.h"
#include "viz/html_text.h"
#include "viz/matrix_plot.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::TensorKind;

constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
constexpr size_t kValues = 15;

// The column of a code, from -6 to 6; +0 and -0 share one.
size_t ColumnOf(size_t code) {
  const size_t magnitude = code % 8;
  return code < 8 ? 7 + magnitude : 7 - magnitude;
}

std::vector<std::string> ValueNames() {
  std::vector<std::string> names(kValues);
  for (size_t code = 0; code < 16; ++code) {
    // U+2212, the minus sign.
    names[ColumnOf(code)] =
        absl::StrCat(code > 8 ? "\xe2\x88\x92" : "",
                     absl::StrFormat("%g", kMagnitudes[code % 8]));
  }
  return names;
}

std::string Figure(const ReportArm& arm, TensorKind kind,
                   const std::string& title) {
  viz::MatrixPlot plot{title, {}, ValueNames(), {}};
  for (const std::string& name : arm.order) {
    const auto& codes = arm.layers.at(name).codes;
    const auto steps = codes.find(kind);
    if (steps == codes.end() || steps->second.empty()) continue;
    const std::vector<int64_t>& counts = steps->second.rbegin()->second;
    const int64_t total =
        std::accumulate(counts.begin(), counts.end(), int64_t{0});
    if (counts.size() != 16 || total == 0) continue;
    std::vector<double> shares(kValues, 0.0);
    for (size_t code = 0; code < counts.size(); ++code) {
      shares[ColumnOf(code)] +=
          static_cast<double>(counts[code]) / static_cast<double>(total);
    }
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
