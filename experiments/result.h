#ifndef EXPERIMENTS_RESULT_H_
#define EXPERIMENTS_RESULT_H_

// What an experiment found: the table that compares its arms, and summary.json.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/table.h"
#include "experiments/arm_record.h"
#include "experiments/experiment_spec.h"

namespace cnn_fp4::experiments {

struct ExperimentResult {
  std::string experiment;
  ExperimentSpec spec;
  std::vector<std::string> class_names;
  // Of the arms trained so far, in the order of spec.arms.
  std::vector<ArmRecord> arms;
  double wall_seconds = 0;        // Of this process.
  int64_t peak_memory_bytes = 0;  // Of this process.
};

// What tables show of an arm, in their order.
struct ResultColumn {
  std::string name;  // "mIoU"
  int digits;        // After the point.
  // nullopt: never measured.
  std::function<std::optional<double>(const ArmRecord&)> value;
};

// The training's loss, those metrics of the first arm with any that tables
// show, and the speed.
std::vector<ResultColumn> ResultColumns(absl::Span<const ArmRecord> arms);

// One row an arm, then one with the ratio to the first arm for each other. What
// was never measured is an empty cell.
base::Table ResultTable(const ExperimentResult& result);

// The arms as in arm.json, with their ratios to the first arm by metric, and
// the configuration. Numbers are as in base/json_number.h. "schema_version": 2.
std::string SummaryJson(const ExperimentResult& result);

// Peak resident memory of this process.
int64_t PeakMemoryBytes();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RESULT_H_
