#ifndef EXPERIMENTS_ARM_RECORD_H_
#define EXPERIMENTS_ARM_RECORD_H_

// What one arm came to, as a file: arms/<arm>/arm.json of a run. Comparisons
// and studies read these and need nothing else of a run. Keys are stable.
//
//   {"schema_version": 1, "arm": "nvfp4", "policy": "nvfp4", "seed": 42,
//    "metrics": {"mean_iou": {"title": "mIoU", "unit": "", "value": 0.88,
//                             "higher_is_better": true, "headline": true,
//                             "in_table": true}, ...},
//    ...}
//
// What was never measured is absent; numbers are as in base/json_number.h. A
// key that was added later may be absent in older files.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "train/layer_means.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

struct ArmRecord {
  std::string arm;         // The policy's key.
  std::string policy;      // Its line of text.
  std::string experiment;  // Of the run that trained it.
  // Digest of the experiment's configuration with this arm alone: equal for two
  // arms that were trained in the same way on the same data from the same seed.
  std::string digest;
  int64_t seed = 0;
  int64_t num_parameters = 0;

  int64_t steps = 0;
  int64_t skipped_steps = 0;
  bool finished = false;  // false: it was stopped, and can be resumed.
  std::optional<double> train_loss;
  std::vector<train::Metric> metrics;  // Of the last validation.
  std::optional<double> best;          // Of the headline metric.
  // What the layers said of their quantisation at the last measured step:
  // train/layer_means.h. Empty for an arm without FP4.
  train::LayerMeans layer_means;
  std::optional<double> median_step_seconds;
  double train_seconds = 0;

  // Where: results of two machines differ in their last digits.
  std::string cpu;
  std::string device;
  // nullopt: the record is of a version that did not write it.
  std::optional<int64_t> threads;
  std::string git_revision;
  std::string libtorch_version;
};

std::string ToJson(const ArmRecord& record);

// InvalidArgument for a text that ToJson did not write, and for another
// schema_version.
absl::StatusOr<ArmRecord> ParseArmRecord(absl::string_view json);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_ARM_RECORD_H_
