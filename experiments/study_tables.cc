#include "experiments/study_tables.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::experiments {
namespace {

constexpr int kDigits = 4;

std::string MeanAndDeviation(const SampleSummary& sample, int digits) {
  if (!sample.mean.has_value()) return "";
  std::string text = base::Cell(*sample.mean, digits).text();
  if (sample.standard_deviation.has_value()) {
    absl::StrAppend(&text, " ± ",
                    base::Cell(*sample.standard_deviation, digits).text());
  }
  return text;
}

base::Cell ToCell(const std::optional<double>& value) {
  return value.has_value() ? base::Cell(*value, kDigits) : base::Cell("");
}

}  // namespace

std::string Title(const train::Metric& metric) {
  return metric.unit.empty()
             ? metric.title
             : absl::StrCat(metric.title, " (", metric.unit, ")");
}

base::Table ArmsTable(const StudyStatistics& statistics) {
  std::vector<std::string> columns = {"arm", "cells"};
  for (const train::Metric& metric : statistics.metrics) {
    columns.push_back(Title(metric));
  }
  columns.push_back("training, s");
  base::Table table(columns);
  for (const ArmStatistics& arm : statistics.arms) {
    std::vector<base::Cell> row = {arm.policy,
                                   {static_cast<double>(arm.seeds.size()), 0}};
    for (const MetricStatistics& metric : arm.metrics) {
      row.push_back(MeanAndDeviation(metric.values, kDigits));
    }
    row.push_back(MeanAndDeviation(arm.train_seconds, 1));
    table.AddRow(std::move(row));
  }
  return table;
}

base::Table DifferencesTable(const StudyStatistics& statistics) {
  const std::string percent = absl::StrFormat("%g %%", 100 * kConfidence);
  base::Table table({"metric", "arm", "pairs", "mean", "std. dev.",
                     percent + " from", percent + " to"});
  for (size_t m = 0; m < statistics.metrics.size(); ++m) {
    for (size_t i = 1; i < statistics.arms.size(); ++i) {
      const PairedDifference& difference =
          *statistics.arms[i].metrics[m].difference;
      const std::optional<Interval>& interval = difference.interval;
      table.AddRow(
          {Title(statistics.metrics[m]),
           statistics.arms[i].policy,
           {static_cast<double>(difference.summary.n), 0},
           ToCell(difference.summary.mean),
           ToCell(difference.summary.standard_deviation),
           interval.has_value() ? ToCell(interval->low) : base::Cell(""),
           interval.has_value() ? ToCell(interval->high) : base::Cell("")});
    }
  }
  return table;
}

base::Table LayersTable(const StudyStatistics& statistics) {
  std::vector<const telemetry::StatInfo*> shown;
  std::vector<std::string> columns = {"tensors", "arm"};
  for (const telemetry::StatInfo& info : telemetry::Statistics()) {
    const bool has =
        absl::c_any_of(statistics.arms, [&](const ArmStatistics& arm) {
          return absl::c_any_of(arm.layer_means, [&](const auto& mean) {
            return absl::StartsWith(mean.first, absl::StrCat(info.key, "/"));
          });
        });
    if (!has) continue;
    shown.push_back(&info);
    columns.push_back(info.unit.empty()
                          ? std::string(info.title)
                          : absl::StrCat(info.title, ", ", info.unit));
  }
  base::Table table(columns);
  for (const telemetry::TensorKindInfo& kind : telemetry::TensorKinds()) {
    for (const ArmStatistics& arm : statistics.arms) {
      std::vector<base::Cell> row = {kind.title, arm.policy};
      for (const telemetry::StatInfo* const info : shown) {
        const auto mean =
            arm.layer_means.find(absl::StrCat(info->key, "/", kind.directory));
        row.push_back(mean == arm.layer_means.end()
                          ? base::Cell("")
                          : base::Cell(*mean->second.mean, 2));
      }
      if (absl::c_any_of(
              absl::MakeSpan(row).subspan(2),
              [](const base::Cell& cell) { return cell.is_number(); })) {
        table.AddRow(std::move(row));
      }
    }
  }
  return table;
}

}  // namespace cnn_fp4::experiments
