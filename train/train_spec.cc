#include "train/train_spec.h"

#include "absl/strings/str_cat.h"
#include "base/spec_check.h"

namespace cnn_fp4::train {

using base::Require;

absl::Status Check(const TrainSpec& spec) {
  absl::Status status;
  const auto range = [&](const char* field, int64_t value, int64_t max) {
    status.Update(Require(value >= 0 && value <= max, field,
                          absl::StrCat("must be between 0 and ", max)));
  };
  range("steps", spec.steps, kMaxSteps);
  range("epochs", spec.epochs, kMaxEpochs);
  range("seed", spec.seed, kMaxSeed);
  status.Update(Require((spec.steps > 0) != (spec.epochs > 0), "steps",
                        "and epochs: give one of them, and 0 for the other"));
  status.Update(
      Require(spec.learning_rate > 0, "learning_rate", "must be positive"));
  range("warmup_steps", spec.warmup_steps, kMaxSteps);
  status.Update(Require(spec.final_learning_rate_fraction >= 0 &&
                            spec.final_learning_rate_fraction <= 1,
                        "final_learning_rate_fraction",
                        "must be between 0 and 1"));
  const auto decay = [&](const char* field, double value) {
    status.Update(Require(value >= 0 && value < 1, field,
                          "must be at least 0 and below 1"));
  };
  decay("adam_beta1", spec.adam_beta1);
  decay("adam_beta2", spec.adam_beta2);
  status.Update(
      Require(spec.adam_epsilon > 0, "adam_epsilon", "must be positive"));
  status.Update(
      Require(spec.weight_decay >= 0, "weight_decay", "must not be negative"));
  status.Update(Require(spec.max_gradient_norm >= 0, "max_gradient_norm",
                        "must not be negative"));
  status.Update(Require(spec.initial_loss_scale > 0, "initial_loss_scale",
                        "must be positive"));
  status.Update(Require(spec.loss_scale_growth_factor >= 1,
                        "loss_scale_growth_factor", "must be at least 1"));
  status.Update(Require(
      spec.loss_scale_backoff_factor > 0 && spec.loss_scale_backoff_factor < 1,
      "loss_scale_backoff_factor", "must be between 0 and 1"));
  status.Update(Require(spec.loss_scale_growth_interval >= 1,
                        "loss_scale_growth_interval", "must be at least 1"));
  range("validate_every", spec.validate_every, kMaxSteps);
  return status;
}

absl::Status Check(const TaskSpec& spec) {
  absl::Status status;
  status.Update(
      Require(spec.task == "semantic", "task", "can be 'semantic' only"));
  status.Update(
      Require(spec.dice_weight >= 0, "dice_weight", "must not be negative"));
  return status;
}

}  // namespace cnn_fp4::train
