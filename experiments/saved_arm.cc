#include "experiments/saved_arm.h"

#include <torch/torch.h>

#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "experiments/run_directory.h"
#include "experiments/run_json.h"
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
  const absl::StatusOr<std::string> text = base::ReadSmallFile(run.RunJson());
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrCat(checkpoint, ": is not in a run: ", run.RunJson(),
                     " should say what it is a checkpoint of"));
  }
  if (!text.ok()) return text.status();
  absl::StatusOr<RunJsonContents> json = ParseRunJson(*text);
  if (!json.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(run.RunJson(), ": ", json.status().message()));
  }
  absl::StatusOr<ExperimentSpec> spec = ParseExperimentSpec(json->config);
  if (!spec.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(run.RunJson(), ": ", spec.status().message()));
  }
  SavedArm saved{path.string(), *std::move(spec),
                 arm_directory.filename().string(), "",
                 std::move(json->class_names)};
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

absl::StatusOr<LoadedArm> LoadArm(const SavedArm& saved,
                                  const std::string& policy,
                                  const std::string& device) {
  if (saved.class_names.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        saved.checkpoint,
        ": its run.json does not say the classes; the run is of an older "
        "version, train it anew"));
  }
  LoadedArm loaded;
  loaded.policy = policy.empty() ? saved.policy : policy;
  absl::StatusOr<ArmNet> net =
      MakeArmNet(loaded.policy, saved.spec.net,
                 static_cast<int64_t>(saved.class_names.size()),
                 static_cast<uint64_t>(saved.spec.train.seed), device);
  if (!net.ok()) return net.status();
  loaded.net = *std::move(net);
  const absl::StatusOr<int64_t> step = LoadWeights(saved, loaded.net);
  if (!step.ok()) return step.status();
  loaded.step = *step;
  return loaded;
}

absl::StatusOr<int64_t> LoadWeights(const SavedArm& saved, const ArmNet& net) {
  const absl::StatusOr<train::Checkpoint> checkpoint = train::LoadCheckpoint(
      saved.checkpoint, saved.arm, *net.net, /*optimizer=*/nullptr);
  if (!checkpoint.ok()) return checkpoint.status();
  return checkpoint->step;
}

}  // namespace cnn_fp4::experiments
