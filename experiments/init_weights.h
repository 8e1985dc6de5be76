#ifndef EXPERIMENTS_INIT_WEIGHTS_H_
#define EXPERIMENTS_INIT_WEIGHTS_H_

// Trainings that begin with weights of one's own (--init=weights.safetensors).
//
// Where the file lies is a matter of the machine and no part of an experiment;
// which weights it holds is. So the file's path is a run option, and its
// checksum a field of the configuration, train.init_checksum, which the free
// programs fill in.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/arm_net.h"
#include "train/train_spec.h"
#include "train/weights_file.h"

namespace cnn_fp4::experiments {

// Writes the file's checksum into `train`. Without a file (`init` is empty) it
// does nothing. Errors: CheckInit's.
absl::Status SetInitChecksum(const std::string& init, train::TrainSpec& train);

// Whether `init` is the file that the configuration begins with: both or none.
// InvalidArgument that begins with "init"; the system's error for a file that
// cannot be read.
absl::Status CheckInit(const std::string& init, const train::TrainSpec& train);

// train::LoadWeightsFile into an arm's net, and what does not match as lines
// for people: how much does, then one for each direction in which something
// does not.
struct InitReport {
  train::WeightsMatch match;
  std::string text;  // Lines without the last line break.
};
absl::StatusOr<InitReport> LoadInit(const std::string& init, const ArmNet& net);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_INIT_WEIGHTS_H_
