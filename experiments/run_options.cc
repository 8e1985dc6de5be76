#include "experiments/run_options.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/progress.h"
#include "base/spec_check.h"
#include "base/user_path.h"
#include "experiments/threads_check.h"
#include "quant/recipe.h"
#include "train/train_spec.h"

namespace cnn_fp4::experiments {
namespace {

using base::RequireRange;

constexpr int64_t kMaxKeptCheckpoints = 1'000'000;
constexpr int64_t kMaxOverlayImages = 1000;

}  // namespace

absl::Status Check(const RunOptions& options) {
  absl::Status status;
  status.Update(CheckThreads(options.threads));
  status.Update(RequireRange("logf", options.logf, 0, train::kMaxSteps));
  status.Update(RequireRange("checkpoint_every", options.checkpoint_every, 0,
                             train::kMaxSteps));
  status.Update(RequireRange("keep_checkpoints", options.keep_checkpoints, 1,
                             kMaxKeptCheckpoints));
  status.Update(RequireRange("overlay_images", options.overlay_images, 0,
                             kMaxOverlayImages));
  if (const auto mode = base::ParseProgressMode(options.progress); !mode.ok()) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("progress: ", mode.status().message())));
  }
  if (const absl::Status sinks = telemetry::CheckSinkNames(options.sinks);
      !sinks.ok()) {
    status.Update(
        absl::InvalidArgumentError(absl::StrCat("sinks: ", sinks.message())));
  }
  for (const std::string& recipe : options.what_if) {
    if (const auto found = quant::FindRecipe(recipe); !found.ok()) {
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("what_if: ", found.status().message())));
    } else if (found->hadamard) {
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("what_if: ", recipe,
                       " rotates its blocks, which no operand of the forward "
                       "pass is; leave +rht out")));
    }
  }
  status.Update(Check(options.loader));
  return status;
}

absl::Status CheckWeightMap(const std::string& layer, const nn::NetSpec& net) {
  if (layer.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<nn::LayerInfo>> layers = nn::Layers(net);
  if (!layers.ok()) return layers.status();
  std::vector<std::string> names;
  for (const nn::LayerInfo& info : *layers) {
    if (info.role == nn::LayerRole::kOutput ||
        info.role == nn::LayerRole::kNorm)
      continue;
    if (info.name == layer) return absl::OkStatus();
    names.push_back(info.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("weight_map: the net has no layer '", layer, "'; it has ",
                   absl::StrJoin(names, ", ")));
}

std::string DefaultOutputDir() {
  const std::string workspace = base::WorkspaceDirectory();
  return workspace.empty() ? "runs" : workspace + "/runs";
}

}  // namespace cnn_fp4::experiments
