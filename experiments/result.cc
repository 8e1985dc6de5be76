#include "experiments/result.h"

#include <sys/resource.h>

#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;
using train::ArmResult;

// More classes than this make a table that no terminal holds; summary.json has
// them all.
constexpr size_t kMaxClassColumns = 4;

struct Column {
  std::string name;
  int digits;
  std::function<double(const ArmResult&)> value;
};

double StepsPerSecond(const ArmResult& arm) {
  return arm.median_step_seconds > 0 ? 1.0 / arm.median_step_seconds : NAN;
}

// A score of the last validation; NaN if there was none.
template <typename Score>
std::function<double(const ArmResult&)> OfValidation(Score score) {
  return [score](const ArmResult& arm) {
    return arm.validation.has_value() ? score(*arm.validation) : NAN;
  };
}

std::vector<Column> Columns(const ExperimentResult& result) {
  using Score = train::ValidationScore;
  std::vector<Column> columns = {
      {"train loss", 4,
       [](const ArmResult& a) { return a.train_loss.value_or(NAN); }},
      {"val loss", 4, OfValidation([](const Score& s) { return s.loss; })},
      {"mIoU", 4, OfValidation([](const Score& s) { return s.mean_iou; })},
      {"mDice", 4, OfValidation([](const Score& s) { return s.mean_dice; })},
  };
  // The background, class 0, is in the means.
  if (result.class_names.size() - 1 <= kMaxClassColumns) {
    for (size_t cls = 1; cls < result.class_names.size(); ++cls) {
      columns.push_back(
          {"IoU " + result.class_names[cls], 4,
           OfValidation([cls](const Score& s) { return s.iou.at(cls); })});
    }
  }
  columns.push_back({"steps/s", 2, StepsPerSecond});
  return columns;
}

json Number(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

json Numbers(const std::vector<double>& values) {
  json array = json::array();
  for (const double value : values) array.push_back(Number(value));
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
      row.emplace_back(column.value(result.arms[i]), column.digits);
    }
    table.AddRow(std::move(row));
  }
  for (size_t i = 1; i < result.arms.size(); ++i) {
    std::vector<base::Cell> row = {
        absl::StrCat(result.spec.arms[i], " / ", result.spec.arms[0])};
    for (const Column& column : columns) {
      row.emplace_back(
          column.value(result.arms[i]) / column.value(result.arms[0]), 3);
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
      measured[column.name] = Number(column.value(arm));
      ratios[column.name] =
          Number(column.value(arm) / column.value(result.arms[0]));
    }
    finished = finished && arm.finished;
    const train::ValidationScore validation =
        arm.validation.value_or(train::ValidationScore{});
    arms.push_back({
        {"model", result.spec.arms[i]},
        {"steps", arm.steps_done},
        {"skipped_steps", arm.skipped_steps},
        {"finished", arm.finished},
        {"results", std::move(measured)},
        {"ratio_to_first_arm", std::move(ratios)},
        {"iou", Numbers(validation.iou)},
        {"dice", Numbers(validation.dice)},
        {"best_mean_iou", Number(arm.best_mean_iou.value_or(NAN))},
        {"median_step_seconds", Number(arm.median_step_seconds)},
        {"train_seconds", Number(arm.train_seconds)},
    });
  }
  return json{
      {"schema_version", 1},
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
