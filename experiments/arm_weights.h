#ifndef EXPERIMENTS_ARM_WEIGHTS_H_
#define EXPERIMENTS_ARM_WEIGHTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "experiments/run_directory.h"
#include "nn/net.h"
#include "telemetry/record.h"

namespace cnn_fp4::experiments {

// Writes the net's weights to weights/<arm>.safetensors (train/weights_file.h)
// and returns what records say of the file. `steps`: completed. The system's
// errors, naming the file.
absl::StatusOr<telemetry::Artifact> WriteArmWeights(
    const RunDirectory& directory, const std::string& arm, const nn::Net& net,
    int64_t steps);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_ARM_WEIGHTS_H_
