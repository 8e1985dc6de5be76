#include "experiments/report_curves.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "viz/html_text.h"
#include "viz/line_plot.h"

namespace cnn_fp4::experiments {
namespace {

std::string Curve(const std::string& title, const std::string& unit,
                  const std::string& key, const ReportArms& arms,
                  const std::vector<std::string>& order) {
  viz::LinePlot plot{title, "step", unit, {}};
  for (const std::string& name : order) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) continue;
    const auto scalars = arm->second.scalars.find(key);
    if (scalars == arm->second.scalars.end()) continue;
    plot.series.push_back({name, scalars->second});
  }
  if (plot.series.empty()) return "";
  return absl::StrCat("<figure class=\"plot\"><figcaption>",
                      viz::EscapeHtml(title), "</figcaption>\n",
                      viz::LinePlotSvg(plot), "</figure>\n");
}

// Of an unfinished arm only metrics.jsonl tells the scores. "iou/nucleus" is of
// one class; such are left out, as tables do.
std::vector<train::Metric> MetricsIn(const ReportArms& arms) {
  std::set<std::string> keys;
  for (const auto& [name, arm] : arms) {
    for (const auto& [key, points] : arm.scalars) {
      absl::string_view score = key;
      if (absl::ConsumePrefix(&score, "val/") &&
          !absl::StrContains(score, '/')) {
        keys.emplace(score);
      }
    }
  }
  std::vector<train::Metric> metrics;
  for (const std::string& key : keys) {
    train::Metric metric;
    metric.key = key;
    metric.title = absl::StrCat("val/", key);
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace

std::string CurvesSection(const ReportArms& arms,
                          const std::vector<std::string>& order,
                          const std::vector<train::Metric>& metrics) {
  std::string curves = Curve("Training loss", "", "train/loss", arms, order);
  for (const train::Metric& metric :
       metrics.empty() ? MetricsIn(arms) : metrics) {
    if (!metric.in_table) continue;
    absl::StrAppend(&curves,
                    Curve(metric.title, metric.unit,
                          absl::StrCat("val/", metric.key), arms, order));
  }
  if (curves.empty()) return "";
  return absl::StrCat("<h2>Curves</h2>\n<div class=\"pair\">\n", curves,
                      "</div>\n");
}

}  // namespace cnn_fp4::experiments
