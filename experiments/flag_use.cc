#include "experiments/flag_use.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/spec.h"
#include "base/spec_check.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::experiments {
namespace {

// Refuses those of `paths` that were given.
absl::Status RefuseGiven(const std::set<std::string>& given,
                         const std::vector<std::string>& paths,
                         absl::string_view what) {
  absl::Status status;
  for (const std::string& path : paths) {
    const std::string leaf = path.substr(path.rfind('.') + 1);
    status.Update(base::Require(given.count(path) == 0, leaf, what));
  }
  return status;
}

// Whether an arm scales the loss, and so at least that much.
bool AnyScalesTheLoss(const ExperimentSpec& spec, nn::LossScaling how) {
  return absl::c_any_of(spec.arms, [how](const std::string& arm) {
    const absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(arm);
    return policy.ok() && policy->loss_scaling() >= how;
  });
}

}  // namespace

absl::Status CheckFlagsApply(const std::set<std::string>& given,
                             const ExperimentSpec& spec,
                             const RunOptions& options) {
  absl::Status status;
  if (!spec.batch.augment) {
    status.Update(RefuseGiven(
        given,
        {"batch.horizontal_flip", "batch.vertical_flip", "batch.min_scale",
         "batch.max_scale", "batch.foreground_probability"},
        "is a part of augmentation, which is off"));
  }
  if (spec.batch.normalization == "image") {
    status.Update(
        RefuseGiven(given, {"batch.mean", "batch.stddev"},
                    "is for --normalization=constants, and it is image"));
  }
  const train::TrainSpec& train = spec.train;
  if (train.steps > 0 && train.warmup_steps > train.steps) {
    status.Update(RefuseGiven(
        given, {"train.warmup_steps"},
        absl::StrCat("is ", train.warmup_steps, ", but there are ", train.steps,
                     " steps: the learning rate would not reach its peak")));
  }
  if (!AnyScalesTheLoss(spec, nn::LossScaling::kStatic)) {
    status.Update(RefuseGiven(
        given, {"train.initial_loss_scale"},
        "is for arms that scale the loss, such as fp16; none of these does"));
  }
  if (!AnyScalesTheLoss(spec, nn::LossScaling::kDynamic)) {
    status.Update(RefuseGiven(
        given,
        {"train.loss_scale_growth_factor", "train.loss_scale_backoff_factor",
         "train.loss_scale_growth_interval"},
        "is for arms whose loss scale grows and falls, such as fp16; none of "
        "these has one"));
  }
  if (spec.data.dataset == "synthetic") {
    status.Update(RefuseGiven(given, {"read.max_pixels"},
                              "is for images that are read from files, and "
                              "--dataset=synthetic draws its own"));
  }
  if (options.loader.workers == 0) {
    status.Update(RefuseGiven(given, {"loader.prefetch"},
                              "is for workers, of which there are none"));
  }
  if (!absl::c_linear_search(options.sinks, "wandb")) {
    status.Update(RefuseGiven(
        given,
        {"wandb.wandb_project", "wandb.wandb_entity", "wandb.wandb_tags",
         "wandb.wandb_notes", "wandb.wandb_log_model"},
        "is for the sink wandb, which is not among the sinks"));
  }
  return status;
}

absl::Status CheckFlagsApply(const std::set<std::string>& given,
                             const StudySpec& study,
                             const RunOptions& options) {
  const absl::StatusOr<std::vector<ExperimentSpec>> experiments =
      Experiments(study);
  if (!experiments.ok()) return experiments.status();
  std::vector<absl::Status> statuses;
  for (const ExperimentSpec& experiment : *experiments) {
    statuses.push_back(CheckFlagsApply(given, experiment, options));
  }
  if (absl::c_none_of(statuses, [](const absl::Status& s) { return s.ok(); })) {
    return statuses.front();
  }
  for (size_t i = 0; i < study.conditions.size(); ++i) {
    const Condition& condition = study.conditions[i];
    std::set<std::string> paths;
    for (const absl::string_view setting : condition.settings) {
      paths.emplace(setting.substr(0, setting.find('=')));
    }
    const absl::Status status =
        CheckFlagsApply(paths, (*experiments)[i], options);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("conditions: ", condition.name, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFlagsOfSmoke(const std::set<std::string>& given) {
  RunOptions options;
  std::vector<std::string> unused;
  for (const base::SpecField& field : base::Fields(options)) {
    if (field.path != "device" && field.path != "threads") {
      unused.push_back(field.path);
    }
  }
  return RefuseGiven(given, unused,
                     "does not apply to --smoke, which chooses its own data "
                     "and directory; leave one of them out");
}

}  // namespace cnn_fp4::experiments
