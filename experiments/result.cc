#include "experiments/result.h"

#include <sys/resource.h>

#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;
using train::ArmResult;

// More classes than this make a table that no terminal holds; summary.json has
// them all.
constexpr size_t kMaxClassColumns = 4;

// nullopt: never measured.
using Value = std::optional<double>;

struct Column {
  std::string name;
  int digits;
  std::function<Value(const ArmResult&)> value;
};

Value StepsPerSecond(const ArmResult& arm) {
  if (arm.median_step_seconds <= 0) return std::nullopt;
  return 1.0 / arm.median_step_seconds;
}

std::function<Value(const ArmResult&)> Score(
    double train::ValidationScore::*member) {
  return [member](const ArmResult& arm) -> Value {
    if (!arm.validation.has_value()) return std::nullopt;
    return (*arm.validation).*member;
  };
}

std::function<Value(const ArmResult&)> IouOf(size_t cls) {
  return [cls](const ArmResult& arm) -> Value {
    if (!arm.validation.has_value()) return std::nullopt;
    return arm.validation->iou.at(cls);
  };
}

std::vector<Column> Columns(const ExperimentResult& result) {
  std::vector<Column> columns = {
      {"train loss", 4, [](const ArmResult& arm) { return arm.train_loss; }},
      {"val loss", 4, Score(&train::ValidationScore::loss)},
      {"mIoU", 4, Score(&train::ValidationScore::mean_iou)},
      {"mDice", 4, Score(&train::ValidationScore::mean_dice)},
  };
  // The background, class 0, is in the means.
  if (result.class_names.size() - 1 <= kMaxClassColumns) {
    for (size_t cls = 1; cls < result.class_names.size(); ++cls) {
      columns.push_back({"IoU " + result.class_names[cls], 4, IouOf(cls)});
    }
  }
  columns.push_back({"steps/s", 2, StepsPerSecond});
  return columns;
}

Value Ratio(const Value& value, const Value& first) {
  if (!value.has_value() || !first.has_value()) return std::nullopt;
  return *value / *first;
}

base::Cell ToCell(const Value& value, int digits) {
  return value.has_value() ? base::Cell(*value, digits) : base::Cell("");
}

json Numbers(const std::vector<double>& values) {
  json array = json::array();
  for (const double value : values) array.push_back(base::NumberToJson(value));
  return array;
}

}  // namespace

base::Table ResultTable(const ExperimentResult& result) {
  const std::vector<Column> columns = Columns(result);
  std::vector<std::string> names = {"arm"};
  for (const Column& column : columns) names.push_back(column.name);
  base::Table table(names);
  for (size_t i = 0; i < result.arms.size(); ++i) {
    std::vector<base::Cell> row = {result.spec.arms[i]};
    for (const Column& column : columns) {
      row.push_back(ToCell(column.value(result.arms[i]), column.digits));
    }
    table.AddRow(std::move(row));
  }
  for (size_t i = 1; i < result.arms.size(); ++i) {
    std::vector<base::Cell> row = {
        absl::StrCat(result.spec.arms[i], " / ", result.spec.arms[0])};
    for (const Column& column : columns) {
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
  for (size_t i = 0; i < result.arms.size(); ++i) {
    const ArmResult& arm = result.arms[i];
    json ratios = json::object();
    json measured = json::object();
    for (const Column& column : Columns(result)) {
      const Value value = column.value(arm);
      const Value ratio = Ratio(value, column.value(result.arms[0]));
      if (value.has_value()) measured[column.name] = base::NumberToJson(value);
      if (ratio.has_value()) ratios[column.name] = base::NumberToJson(ratio);
    }
    finished = finished && arm.finished;
    json summary = {
        {"model", result.spec.arms[i]},
        {"steps", arm.steps_done},
        {"skipped_steps", arm.skipped_steps},
        {"finished", arm.finished},
        {"results", std::move(measured)},
        {"ratio_to_first_arm", std::move(ratios)},
        {"train_seconds", arm.train_seconds},
    };
    // What was never measured is absent.
    if (arm.validation.has_value()) {
      summary["iou"] = Numbers(arm.validation->iou);
      summary["dice"] = Numbers(arm.validation->dice);
    }
    if (arm.best_mean_iou.has_value()) {
      summary["best_mean_iou"] = *arm.best_mean_iou;
    }
    if (arm.median_step_seconds > 0) {
      summary["median_step_seconds"] = arm.median_step_seconds;
    }
    arms.push_back(std::move(summary));
  }
  return json{
      {"schema_version", 2},
      {"experiment", result.experiment},
      {"digest", Digest(result.spec)},
      {"config", json::parse(base::ToJson(result.spec))},
      {"class_names", result.class_names},
      {"num_parameters", result.num_parameters},
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
