#ifndef EXPERIMENTS_SENSITIVITY_ESTIMATE_H_
#define EXPERIMENTS_SENSITIVITY_ESTIMATE_H_

// What each layer and each operand of a trained net costs in FP4, without any
// training.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "experiments/saved_arm.h"
#include "experiments/sensitivity_study.h"

namespace cnn_fp4::experiments {

struct EstimateOptions {
  std::string device = "cpu";
  // Share of the reference's metric that may be lost.
  double tolerance = 0.005;
  int64_t gradient_batches = 4;
};

// `saved` is the trained net; its own policy does not matter. Exceptions are
// chosen one by one, each time the layer whose sparing helps most. Progress
// goes to stderr. Errors: the net's, the data set's, and those of a layer whose
// operands are not finite.
absl::StatusOr<Sensitivity> EstimateSensitivity(
    const SensitivityPlan& plan, const SavedArm& saved,
    const data::DatasetPair& datasets, const EstimateOptions& options);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SENSITIVITY_ESTIMATE_H_
