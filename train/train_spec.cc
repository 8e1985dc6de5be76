#include "train/train_spec.h"

#include "absl/strings/str_cat.h"
#include "base/spec_check.h"

namespace cnn_fp4::train {

using base::Require;

namespace {

// FP32 computes with the numbers: these limits leave it room on both sides, for
// Adam divides by small ones.
constexpr double kSmallest = 1e-30;
constexpr double kLargest = 1e30;
// A loss scale outside of this makes every gradient 0 or infinite.
constexpr double kSmallestLossScale = 1e-6;

absl::Status Between(const char* field, double value, double low, double high) {
  return Require(
      value >= low && value <= high, field,
      absl::StrCat("is ", value, "; it must be between ", low, " and ", high));
}

bool IsChecksum(absl::string_view text) {
  return text.size() == 8 &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

}  // namespace

absl::Status Check(const TrainSpec& spec) {
  absl::Status status =
      Require(spec.init_checksum.empty() || IsChecksum(spec.init_checksum),
              "init_checksum", "must be 8 hexadecimal digits, as in 0123abcd");
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
      Between("learning_rate", spec.learning_rate, kSmallest, kLargest));
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
      Between("adam_epsilon", spec.adam_epsilon, kSmallest, kLargest));
  status.Update(Between("weight_decay", spec.weight_decay, 0, kLargest));
  status.Update(
      Between("max_gradient_norm", spec.max_gradient_norm, 0, kLargest));
  status.Update(Between("initial_loss_scale", spec.initial_loss_scale,
                        kSmallestLossScale, kLargest));
  status.Update(Between("loss_scale_growth_factor",
                        spec.loss_scale_growth_factor, 1, kLargest));
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
  status.Update(Between("dice_weight", spec.dice_weight, 0, kLargest));
  return status;
}

}  // namespace cnn_fp4::train
