#include "experiments/saved_arm.h"

#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "experiments/run_directory.h"
#include "nlohmann/json.hpp"
#include "nn/net.h"
#include "train/checkpoint.h"

namespace cnn_fp4::experiments {

namespace fs = std::filesystem;

absl::StatusOr<SavedArm> FindSavedArm(const std::string& checkpoint) {
  std::error_code error;
  const fs::path path = fs::canonical(checkpoint, error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat(checkpoint, ": no such checkpoint"));
  }
  const fs::path arm_directory = path.parent_path();
  const RunDirectory run(arm_directory.parent_path().parent_path().string());
  std::ifstream file(run.RunJson());
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object() || !json.contains("config")) {
    return absl::NotFoundError(
        absl::StrCat(checkpoint, ": is not in a run: ", run.RunJson(),
                     " should say what it is a checkpoint of"));
  }
  absl::StatusOr<ExperimentSpec> spec =
      ParseExperimentSpec(json["config"].dump());
  if (!spec.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(run.RunJson(), ": ", spec.status().message()));
  }
  SavedArm saved{path.string(), *std::move(spec),
                 arm_directory.filename().string(), ""};
  const std::vector<std::string> keys = ArmKeys(saved.spec);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == saved.arm) saved.policy = saved.spec.arms[i];
  }
  if (saved.policy.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(checkpoint, ": the run has no arm '", saved.arm, "'"));
  }
  return saved;
}

absl::StatusOr<int64_t> LoadWeights(const SavedArm& saved, const ArmNet& net) {
  const absl::StatusOr<train::Checkpoint> checkpoint = train::LoadCheckpoint(
      saved.checkpoint, saved.arm, *net.net, /*optimizer=*/nullptr);
  if (!checkpoint.ok()) return checkpoint.status();
  return checkpoint->step;
}

}  // namespace cnn_fp4::experiments
