#include "experiments/arm_weights.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "train/weights_file.h"

namespace cnn_fp4::experiments {

absl::StatusOr<telemetry::Artifact> WriteArmWeights(
    const RunDirectory& directory, const std::string& arm, const nn::Net& net,
    int64_t steps) {
  const std::filesystem::path path = directory.Weights(arm);
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(),
        absl::StrCat("making directory ", path.parent_path().string()));
  }
  absl::Status status = train::SaveWeightsFile(path, net);
  if (!status.ok()) return status;
  return telemetry::Artifact{steps, "weights", "model",
                             path.lexically_relative(directory.path())};
}

}  // namespace cnn_fp4::experiments
