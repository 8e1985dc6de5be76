#include "experiments/result.h"

#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;

// nullopt: never measured.
using Value = std::optional<double>;

Value StepsPerSecond(const ArmRecord& arm) {
  if (!arm.median_step_seconds.has_value()) return std::nullopt;
  return 1.0 / *arm.median_step_seconds;
}

Value MetricOf(const ArmRecord& arm, const std::string& key) {
  for (const train::Metric& metric : arm.metrics) {
    if (metric.key == key) return metric.value;
  }
  return std::nullopt;
}

Value Ratio(const Value& value, const Value& first) {
  if (!value.has_value() || !first.has_value()) return std::nullopt;
  return *value / *first;
}

base::Cell ToCell(const Value& value, int digits) {
  return value.has_value() ? base::Cell(*value, digits) : base::Cell("");
}

json RatiosToFirst(const ExperimentResult& result, const ArmRecord& arm) {
  json ratios = json::object();
  for (const train::Metric& metric : arm.metrics) {
    const Value ratio =
        Ratio(metric.value, MetricOf(result.arms[0], metric.key));
    if (ratio.has_value()) ratios[metric.key] = base::NumberToJson(ratio);
  }
  const Value speed =
      Ratio(StepsPerSecond(arm), StepsPerSecond(result.arms[0]));
  if (speed.has_value()) ratios["steps_per_second"] = base::NumberToJson(speed);
  return ratios;
}

}  // namespace

std::vector<ResultColumn> ResultColumns(absl::Span<const ArmRecord> arms) {
  std::vector<ResultColumn> columns = {
      {"train loss", 4, [](const ArmRecord& arm) { return arm.train_loss; }}};
  for (const ArmRecord& arm : arms) {
    if (arm.metrics.empty()) continue;
    for (const train::Metric& metric : arm.metrics) {
      if (!metric.in_table) continue;
      columns.push_back(
          {metric.title, 4, [key = metric.key](const ArmRecord& a) {
             return MetricOf(a, key);
           }});
    }
    break;
  }
  columns.push_back({"steps/s", 2, StepsPerSecond});
  return columns;
}

base::Table ResultTable(const ExperimentResult& result) {
  const std::vector<ResultColumn> columns = ResultColumns(result.arms);
  std::vector<std::string> names = {"arm"};
  for (const ResultColumn& column : columns) names.push_back(column.name);
  base::Table table(names);
  for (const ArmRecord& arm : result.arms) {
    std::vector<base::Cell> row = {arm.policy};
    for (const ResultColumn& column : columns) {
      row.push_back(ToCell(column.value(arm), column.digits));
    }
    table.AddRow(std::move(row));
  }
  for (size_t i = 1; i < result.arms.size(); ++i) {
    std::vector<base::Cell> row = {
        absl::StrCat(result.arms[i].policy, " / ", result.arms[0].policy)};
    for (const ResultColumn& column : columns) {
      row.push_back(ToCell(
          Ratio(column.value(result.arms[i]), column.value(result.arms[0])),
          3));
    }
    table.AddRow(std::move(row));
  }
  return table;
}

std::string SummaryJson(const ExperimentResult& result) {
  json arms = json::array();
  bool finished = result.arms.size() == result.spec.arms.size();
  for (const ArmRecord& arm : result.arms) {
    json summary = json::parse(ToJson(arm));
    summary["ratio_to_first_arm"] = RatiosToFirst(result, arm);
    finished = finished && arm.finished;
    arms.push_back(std::move(summary));
  }
  return json{
      {"schema_version", 2},
      {"experiment", result.experiment},
      {"digest", Digest(result.spec)},
      {"config", json::parse(base::ToJson(result.spec))},
      {"class_names", result.class_names},
      {"arms", std::move(arms)},
      {"finished", finished},
      {"wall_seconds", result.wall_seconds},
      {"peak_memory_bytes", result.peak_memory_bytes},
  }
      .dump(2);
}

int64_t PeakMemoryBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;  // Linux counts kibibytes.
}

}  // namespace cnn_fp4::experiments
