#ifndef EXPERIMENTS_RESULT_H_
#define EXPERIMENTS_RESULT_H_

// What an experiment found: the table that compares its arms, and summary.json.

#include <string>
#include <vector>

#include "base/table.h"
#include "experiments/experiment_spec.h"
#include "train/train_arm.h"

namespace cnn_fp4::experiments {

struct ExperimentResult {
  std::string experiment;
  ExperimentSpec spec;
  std::vector<std::string> class_names;
  // Of the arms trained so far, in the order of spec.arms.
  std::vector<train::ArmResult> arms;
  int64_t num_parameters = 0;
  double wall_seconds = 0;        // Of this process.
  int64_t peak_memory_bytes = 0;  // Of this process.
};

// One row an arm, then one with the ratio to the first arm for each other.
base::Table ResultTable(const ExperimentResult& result);

// All numbers of the table, unrounded, the scores of each class, and the
// configuration. What was never measured is absent (in the table: an empty
// cell); NaN and infinities are as in base/json_number.h. "schema_version": 2.
std::string SummaryJson(const ExperimentResult& result);

// Peak resident memory of this process.
int64_t PeakMemoryBytes();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RESULT_H_
