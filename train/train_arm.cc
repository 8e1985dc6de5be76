#include "train/train_arm.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "train/arm_state.h"
#include "train/checkpoint.h"
#include "train/grad_scaler.h"
#include "train/layer_probe.h"
#include "train/nonfinite.h"
#include "train/segmentation_task.h"

namespace cnn_fp4::train {
namespace {

// So many steps in a row without finite gradients are a failure, not a search
// for the right loss scale: 2^16 has become 2^-14 by then.
constexpr int kMaxSkippedInARow = 30;

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class ArmTrainer {
 public:
  ArmTrainer(nn::UNet& net, const data::DatasetPair& datasets,
             const ArmOptions& options, telemetry::Run& run)
      : net_(net),
        datasets_(datasets),
        options_(options),
        run_(run),
        probe_(net),
        scaler_(ScalerOptions(net, options)),
        adam_(Parameters(net),
              torch::optim::AdamOptions(options.learning_rate.peak)
                  .weight_decay(options.weight_decay)) {
    state_.scaler = scaler_.state();
  }

  absl::StatusOr<ArmResult> Train(const data::LoaderOptions& loader_options,
                                  base::ProgressMode progress_mode);

 private:
  struct StepResult {
    double loss = 0;
    double gradient_norm = 0;
    bool skipped = false;
  };

  static GradScalerOptions ScalerOptions(const nn::UNet& net,
                                         const ArmOptions& options) {
    GradScalerOptions scaler;
    scaler.enabled = net.layers()[0].spec->precision.needs_loss_scaling();
    scaler.initial_scale = options.initial_loss_scale;
    return scaler;
  }

  static std::vector<at::Tensor> Parameters(const nn::UNet& net) {
    std::vector<at::Tensor> tensors;
    for (const nn::NamedParameter& p : net.parameters()) {
      tensors.push_back(*p.tensor);
    }
    return tensors;
  }

  absl::Status Resume();
  absl::StatusOr<StepResult> Step(const data::Batch& batch, bool measured);
  // Divides the gradients by the loss scale, clips them, returns their norm
  // before clipping.
  double PrepareGradients();
  absl::Status Validate(base::Progress& progress);
  absl::Status Save(const std::string& path);
  absl::Status SaveNumbered();
  bool Due(int64_t every) const {
    return every > 0 && state_.steps_done % every == 0;
  }
  ArmResult Result() const;

  nn::UNet& net_;
  const data::DatasetPair& datasets_;
  const ArmOptions& options_;
  telemetry::Run& run_;
  LayerProbe probe_;
  GradScaler scaler_;
  torch::optim::Adam adam_;
  ArmState state_;
  int skipped_in_a_row_ = 0;
};

absl::Status ArmTrainer::Resume() {
  if (options_.checkpoint_directory.empty()) return absl::OkStatus();
  const std::vector<int64_t> steps =
      CheckpointSteps(options_.checkpoint_directory);
  if (steps.empty()) return absl::OkStatus();
  const std::string path =
      CheckpointPath(options_.checkpoint_directory, steps.back());
  const absl::StatusOr<std::string> metadata =
      LoadCheckpoint(path, net_, &adam_);
  if (!metadata.ok()) return metadata.status();
  if (absl::Status status = ArmStateFromJson(*metadata, &state_);
      !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", status.message()));
  }
  scaler_.set_state(state_.scaler);
  return absl::OkStatus();
}

double ArmTrainer::PrepareGradients() {
  const torch::NoGradGuard no_grad;
  const float inverse_scale = static_cast<float>(1.0 / scaler_.scale());
  double square = 0;
  for (const nn::NamedParameter& p : net_.parameters()) {
    at::Tensor gradient = p.tensor->grad();
    if (inverse_scale != 1.0f) gradient.mul_(inverse_scale);
    const double norm = gradient.norm().item<double>();
    square += norm * norm;
  }
  const double norm = std::sqrt(square);
  if (options_.max_gradient_norm > 0 && std::isfinite(norm) &&
      norm > options_.max_gradient_norm) {
    const double factor = options_.max_gradient_norm / norm;
    for (const nn::NamedParameter& p : net_.parameters()) {
      p.tensor->grad().mul_(factor);
    }
  }
  return norm;
}

absl::StatusOr<ArmTrainer::StepResult> ArmTrainer::Step(
    const data::Batch& batch, bool measured) {
  const Stopwatch stopwatch;
  // The batch outlives the tensors.
  const at::Tensor images =
      at::from_blob(const_cast<float*>(batch.image.data()),
                    {batch.n, batch.c, batch.h, batch.w}, at::kFloat);
  const at::Tensor target =
      at::from_blob(const_cast<int64_t*>(batch.target.data()),
                    {batch.n, batch.h, batch.w}, at::kLong);
  const auto not_finite = [&](absl::string_view what,
                              const std::string& where) {
    return absl::InternalError(absl::StrCat(options_.model, ": ", what,
                                            " at step ", state_.steps_done + 1,
                                            "; first: ", where));
  };

  for (auto& group : adam_.param_groups()) {
    group.options().set_lr(LearningRate(options_.learning_rate,
                                        state_.steps_done, options_.steps));
  }
  if (measured) probe_.Begin(state_.steps_done + 1);
  StepResult result;
  try {
    const at::Tensor loss =
        SegmentationLoss(net_.Forward(images), target, options_.dice_weight);
    result.loss = loss.item<double>();
    if (!std::isfinite(result.loss)) {
      return not_finite(absl::StrCat("the loss is ", result.loss),
                        FirstNonFiniteInForward(net_, images));
    }
    adam_.zero_grad();
    (loss * scaler_.scale()).backward();
  } catch (const c10::Error& error) {
    return not_finite(error.what_without_backtrace(),
                      FirstNonFiniteInForward(net_, images));
  }
  result.gradient_norm = PrepareGradients();
  result.skipped = !scaler_.Update(std::isfinite(result.gradient_norm));
  skipped_in_a_row_ = result.skipped ? skipped_in_a_row_ + 1 : 0;
  if (skipped_in_a_row_ == kMaxSkippedInARow) {
    return not_finite(absl::StrCat("gradients that are not finite in ",
                                   kMaxSkippedInARow, " steps in a row"),
                      FirstNonFiniteGradient(net_));
  }
  // Before the optimiser changes the weights that made these gradients.
  const double before_probe = stopwatch.Seconds();
  if (measured) {
    absl::StatusOr<std::vector<telemetry::LayerStats>> layers = probe_.End();
    if (!layers.ok()) return layers.status();
    for (telemetry::LayerStats& stats : *layers) {
      run_.Log({std::move(stats), options_.model});
    }
  }
  const double probe_seconds = stopwatch.Seconds() - before_probe;
  if (!result.skipped) adam_.step();

  state_.scaler = scaler_.state();
  ++state_.steps_done;
  state_.losses.push_back(result.loss);
  if (state_.losses.size() > ArmState::kLossWindow) {
    state_.losses.erase(state_.losses.begin());
  }
  // A measured step watches activations inside the forward pass.
  if (!measured) {
    state_.step_seconds.push_back(stopwatch.Seconds() - probe_seconds);
  }
  return result;
}

absl::Status ArmTrainer::Validate(base::Progress& progress) {
  const absl::StatusOr<Evaluation> evaluation =
      Evaluate(net_, *datasets_.val, options_.dice_weight);
  if (!evaluation.ok()) return evaluation.status();
  const ConfusionMatrix& confusion = evaluation->confusion;
  ValidationScore& score = state_.validation;
  score = ValidationScore{};
  score.loss = evaluation->loss;
  score.mean_iou = confusion.MeanIou();
  score.mean_dice = confusion.MeanDice();
  telemetry::Scalars scalars{state_.steps_done,
                             {{"val/loss", score.loss},
                              {"val/mean_iou", score.mean_iou},
                              {"val/mean_dice", score.mean_dice}}};
  for (int cls = 0; cls < confusion.num_classes(); ++cls) {
    score.iou.push_back(confusion.Iou(cls));
    score.dice.push_back(confusion.Dice(cls));
    const std::string& name = datasets_.val->class_names()[cls];
    scalars.values.push_back({"val/iou/" + name, score.iou.back()});
    scalars.values.push_back({"val/dice/" + name, score.dice.back()});
  }
  run_.Log({std::move(scalars), options_.model});
  progress.Milestone({{"val_loss", score.loss}, {"mIoU", score.mean_iou}});
  if (score.mean_iou > state_.best_mean_iou) {
    state_.best_mean_iou = score.mean_iou;
    if (!options_.checkpoint_directory.empty()) {
      return Save(BestCheckpointPath(options_.checkpoint_directory));
    }
  }
  return absl::OkStatus();
}

absl::Status ArmTrainer::Save(const std::string& path) {
  // The records up to this step, before the step counts as done.
  run_.Flush();
  return SaveCheckpoint(path, net_, adam_, ArmStateToJson(state_));
}

absl::Status ArmTrainer::SaveNumbered() {
  const std::string& directory = options_.checkpoint_directory;
  if (directory.empty()) return absl::OkStatus();
  if (absl::Status status = Save(CheckpointPath(directory, state_.steps_done));
      !status.ok()) {
    return status;
  }
  return PruneCheckpoints(directory, options_.keep_checkpoints);
}

ArmResult ArmTrainer::Result() const {
  ArmResult result;
  result.steps_done = state_.steps_done;
  result.skipped_steps = state_.scaler.skipped_steps;
  if (!state_.losses.empty()) {
    result.train_loss =
        std::accumulate(state_.losses.begin(), state_.losses.end(), 0.0) /
        static_cast<double>(state_.losses.size());
  }
  result.validation = state_.validation;
  result.best_mean_iou = state_.best_mean_iou;
  result.median_step_seconds = Median(state_.step_seconds);
  result.train_seconds = state_.train_seconds;
  result.finished = state_.steps_done >= options_.steps;
  return result;
}

absl::StatusOr<ArmResult> ArmTrainer::Train(
    const data::LoaderOptions& loader_options,
    base::ProgressMode progress_mode) {
  if (absl::Status status = Resume(); !status.ok()) return status;
  if (state_.steps_done >= options_.steps) return Result();

  data::LoaderOptions resumed = loader_options;
  resumed.start_batch = state_.steps_done;
  absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(datasets_.train, resumed);
  if (!loader.ok()) return loader.status();

  base::ProgressOptions progress_options;
  progress_options.initial = state_.steps_done;
  base::Progress progress(progress_mode, options_.model, options_.steps,
                          progress_options);
  const double seconds_before = state_.train_seconds;
  const Stopwatch stopwatch;
  while (state_.steps_done < options_.steps &&
         !(options_.should_stop && options_.should_stop())) {
    const absl::StatusOr<data::Batch> batch = (*loader)->Next();
    if (!batch.ok()) return batch.status();
    // Steps are counted from 1: the first and every logf-th, and the last.
    const int64_t step = state_.steps_done + 1;
    const bool measured = step == 1 || step == options_.steps ||
                          (options_.logf > 0 && step % options_.logf == 0);
    const absl::StatusOr<StepResult> result = Step(*batch, measured);
    if (!result.ok()) return result.status();
    const double rate =
        LearningRate(options_.learning_rate, step - 1, options_.steps);
    run_.Log(
        {telemetry::Scalars{step,
                            {{"train/loss", result->loss},
                             {"train/gradient_norm", result->gradient_norm},
                             {"train/learning_rate", rate},
                             {"train/loss_scale", scaler_.scale()},
                             {"train/skipped", result->skipped}}},
         options_.model});
    progress.Update(step, {{"loss", result->loss}, {"lr", rate}});
    state_.train_seconds = seconds_before + stopwatch.Seconds();

    if (step == options_.steps || Due(options_.validate_every)) {
      if (absl::Status status = Validate(progress); !status.ok()) return status;
    }
    if (step == options_.steps || Due(options_.checkpoint_every)) {
      if (absl::Status status = SaveNumbered(); !status.ok()) return status;
    }
  }
  if (state_.steps_done < options_.steps) {
    if (absl::Status status = SaveNumbered(); !status.ok()) return status;
  }
  progress.Finish();
  return Result();
}

}  // namespace

absl::StatusOr<ArmResult> TrainArm(nn::UNet& net,
                                   const data::DatasetPair& datasets,
                                   const data::LoaderOptions& loader_options,
                                   const ArmOptions& options,
                                   base::ProgressMode progress_mode,
                                   telemetry::Run& run) {
  return ArmTrainer(net, datasets, options, run)
      .Train(loader_options, progress_mode);
}

}  // namespace cnn_fp4::train
