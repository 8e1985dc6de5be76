#ifndef EXPERIMENTS_SAVED_ARM_H_
#define EXPERIMENTS_SAVED_ARM_H_

// An arm of an earlier run, from one of its checkpoints.
//
//   run.json  checkpoints/<arm>/best.pt

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/arm_net.h"
#include "experiments/experiment_spec.h"

namespace cnn_fp4::experiments {

// What the run that wrote a checkpoint says of it.
struct SavedArm {
  std::string checkpoint;  // Path.
  ExperimentSpec spec;     // Of the whole run.
  std::string arm;         // Key.
  std::string policy;      // Line of text.
  // Of the run's data set; empty for a run of a version that did not say it.
  std::vector<std::string> class_names;
};

// NotFound for a path that is no checkpoint of a run; InvalidArgument for a run
// of another version.
absl::StatusOr<SavedArm> FindSavedArm(const std::string& checkpoint);

// Reads the weights into `net`. Returns the step that they are of. Errors:
// train::LoadCheckpoint's.
absl::StatusOr<int64_t> LoadWeights(const SavedArm& saved, const ArmNet& net);

// The arm's net without its data set, under `policy` (empty: the arm's own).
// InvalidArgument for a run that does not say its classes; MakeArmNet's and
// LoadWeights' errors.
struct LoadedArm {
  ArmNet net;
  std::string policy;
  int64_t step = 0;
};
absl::StatusOr<LoadedArm> LoadArm(const SavedArm& saved,
                                  const std::string& policy,
                                  const std::string& device);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SAVED_ARM_H_
