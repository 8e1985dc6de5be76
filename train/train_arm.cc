#include "train/train_arm.h"

#include <torch/torch.h>

#include <cmath>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "base/console.h"
#include "data/loader.h"
#include "glog/logging.h"
#include "nn/gemm/quant_context.h"
#include "nn/net.h"
#include "telemetry/gpu_sampler.h"
#include "telemetry/system_sampler.h"
#include "train/arm_state.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/grad_scaler.h"
#include "train/layer_means.h"
#include "train/layer_probe.h"
#include "train/learning_rate.h"
#include "train/measured_steps.h"
#include "train/nonfinite.h"
#include "train/optimizer_step.h"
#include "train/out_of_memory.h"
#include "train/stopwatch.h"
#include "train/task.h"

namespace cnn_fp4::train {
namespace {

// So many steps in a row without finite gradients are a failure, not a search
// for the right loss scale: 2^16 has become 2^-14 by then.
constexpr int kMaxSkippedInARow = 30;

// Null for a net that is on no GPU.
std::unique_ptr<telemetry::GpuSampler> GpusOf(const nn::Net& net) {
  const std::vector<at::Tensor> parameters = net.parameters();
  if (parameters.empty() || !parameters.front().is_cuda()) return nullptr;
  auto gpus = telemetry::GpuSampler::Open();
  if (gpus.ok()) return *std::move(gpus);
  LOG(WARNING) << "nothing is recorded of the GPU: " << gpus.status();
  return nullptr;
}

class ArmTrainer {
 public:
  ArmTrainer(const Task& task, nn::Net& net, nn::QuantContext& context,
             const data::DatasetPair& datasets, const ArmOptions& options,
             telemetry::Run& run)
      : task_(task),
        net_(net),
        context_(context),
        datasets_(datasets),
        options_(options),
        total_steps_(TotalSteps(options, *datasets.train)),
        steps_{options.logf, total_steps_},
        run_(run),
        probe_(net, context, options.what_if),
        scaler_(ScalerOptions(options.train, options.loss_scaling)),
        adam_(MakeAdam(net, options.train)) {
    state_.scaler = scaler_.state();
  }

  absl::StatusOr<ArmResult> Train(base::ProgressMode progress_mode);

 private:
  struct StepResult {
    double loss = 0;
    double gradient_norm = 0;
    double learning_rate = 0;
    bool skipped = false;
  };

  absl::Status Resume();
  // One step on `batch`, its records included.
  absl::StatusOr<StepResult> Step(const data::Batch& batch);
  // Forward and backward; returns the loss.
  absl::StatusOr<double> Differentiate(const data::Batch& batch);
  void LogLayers(std::vector<telemetry::Payload> layers);
  absl::Status NotFinite(absl::string_view what,
                         const std::string& where) const;
  absl::Status Validate(base::Progress& progress);
  bool ValidationDue() const {
    return state_.validated_at != state_.steps_done && state_.steps_done > 0 &&
           (state_.steps_done == total_steps_ ||
            Due(options_.train.validate_every));
  }
  // Checkpoint and validation of a step that was done, where they are due. The
  // checkpoint comes first: a validation may fail, or need so much memory that
  // the process is killed.
  absl::Status FinishStep(base::Progress& progress);
  absl::Status Save(const std::string& path);
  absl::Status SaveNumbered();
  bool Due(int64_t every) const {
    return every > 0 && state_.steps_done % every == 0;
  }
  ArmResult Result() const;

  const Task& task_;
  nn::Net& net_;
  nn::QuantContext& context_;
  const data::DatasetPair& datasets_;
  const ArmOptions& options_;
  const int64_t total_steps_;
  const MeasuredSteps steps_;
  telemetry::Run& run_;
  LayerProbe probe_;
  GradScaler scaler_;
  std::unique_ptr<torch::optim::Optimizer> adam_;
  ArmState state_;
  int skipped_in_a_row_ = 0;
  absl::Status validation_;
};

absl::Status ArmTrainer::Resume() {
  if (options_.checkpoint_directory.empty()) return absl::OkStatus();
  const std::vector<int64_t> steps =
      CheckpointSteps(options_.checkpoint_directory);
  if (steps.empty()) return absl::OkStatus();
  const std::string path =
      CheckpointPath(options_.checkpoint_directory, steps.back());
  const absl::StatusOr<Checkpoint> checkpoint =
      LoadCheckpoint(path, options_.arm, net_, adam_.get());
  if (!checkpoint.ok()) return checkpoint.status();
  if (checkpoint->step != steps.back()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is the checkpoint of step ", checkpoint->step,
                     "; give it back its name, or remove it"));
  }
  if (absl::Status status = ArmStateFromJson(checkpoint->state, &state_);
      !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", status.message()));
  }
  scaler_.set_state(state_.scaler);
  return absl::OkStatus();
}

absl::Status ArmTrainer::NotFinite(absl::string_view what,
                                   const std::string& where) const {
  return absl::InternalError(absl::StrCat(options_.arm, ": ", what, " at step ",
                                          state_.steps_done + 1,
                                          "; first: ", where));
}

absl::StatusOr<double> ArmTrainer::Differentiate(const data::Batch& batch) {
  // The batch outlives the tensors.
  const at::Tensor images =
      at::from_blob(const_cast<float*>(batch.image.data()),
                    {batch.n, batch.c, batch.h, batch.w}, at::kFloat);
  try {
    const at::Tensor loss = task_.Loss(net_.forward(images), batch);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      return NotFinite(absl::StrCat("the loss is ", value),
                       FirstNonFiniteInForward(net_, context_, images));
    }
    adam_->zero_grad();
    (loss * scaler_.scale()).backward();
    return value;
  } catch (const c10::Error& error) {
    if (SaysOutOfMemory(error.what_without_backtrace())) {
      return absl::ResourceExhaustedError(absl::StrCat(
          options_.arm, ": out of memory at step ", state_.steps_done + 1,
          "; a smaller --batch_size, --crop or --model_scale_factor needs "
          "less"));
    }
    return NotFinite(error.what_without_backtrace(),
                     FirstNonFiniteInForward(net_, context_, images));
  }
}

void ArmTrainer::LogLayers(std::vector<telemetry::Payload> layers) {
  state_.layer_means = MeansOverLayers(layers);
  for (telemetry::Payload& measured : layers) {
    run_.Log({std::move(measured), options_.arm});
  }
}

absl::StatusOr<ArmTrainer::StepResult> ArmTrainer::Step(
    const data::Batch& batch) {
  const Stopwatch stopwatch;
  const int64_t step = state_.steps_done + 1;
  const bool measured = steps_.Measured(step);
  StepResult result;
  result.learning_rate =
      LearningRate({options_.train.learning_rate, options_.train.warmup_steps,
                    options_.train.final_learning_rate_fraction},
                   state_.steps_done, total_steps_);
  SetLearningRate(result.learning_rate, *adam_);
  context_.step = state_.steps_done;
  if (measured) probe_.Begin(step, steps_.SamplesWeights(step));
  const absl::StatusOr<double> loss = Differentiate(batch);
  if (!loss.ok()) return loss.status();
  result.loss = *loss;
  result.gradient_norm =
      UnscaleAndClip(net_, scaler_.scale(), options_.train.max_gradient_norm);
  result.skipped = !scaler_.Update(std::isfinite(result.gradient_norm));
  skipped_in_a_row_ = result.skipped ? skipped_in_a_row_ + 1 : 0;
  if (skipped_in_a_row_ == kMaxSkippedInARow) {
    return NotFinite(absl::StrCat("gradients that are not finite in ",
                                  kMaxSkippedInARow, " steps in a row"),
                     FirstNonFiniteGradient(net_));
  }
  // Before the optimiser changes the weights that made these gradients.
  const double before_probe = stopwatch.Seconds();
  std::vector<telemetry::Payload> layers;
  if (measured) {
    absl::StatusOr<std::vector<telemetry::Payload>> probed = probe_.End();
    if (!probed.ok()) return probed.status();
    layers = *std::move(probed);
  }
  const double probe_seconds = stopwatch.Seconds() - before_probe;
  if (!result.skipped) adam_->step();
  const double step_seconds = stopwatch.Seconds() - probe_seconds;
  if (measured) {
    if (!result.skipped) probe_.AddUpdates(layers);
    LogLayers(std::move(layers));
  }

  state_.scaler = scaler_.state();
  ++state_.steps_done;
  state_.losses.push_back(result.loss);
  if (state_.losses.size() > ArmState::kLossWindow) {
    state_.losses.erase(state_.losses.begin());
  }
  state_.step_times.Add(step_seconds, measured);
  run_.Log({telemetry::Scalars{step,
                               {{"train/loss", result.loss},
                                {"train/gradient_norm", result.gradient_norm},
                                {"train/learning_rate", result.learning_rate},
                                {"train/loss_scale", scaler_.scale()},
                                {"train/skipped", result.skipped}}},
            options_.arm});
  return result;
}

absl::Status ArmTrainer::Validate(base::Progress& progress) {
  absl::StatusOr<std::vector<Metric>> metrics =
      Evaluate(task_, net_, context_, *datasets_.val, options_.batch);
  if (!metrics.ok()) {
    return absl::Status(
        metrics.status().code(),
        absl::StrCat(options_.arm, ": validation after step ",
                     state_.steps_done, ": ", metrics.status().message()));
  }
  state_.metrics = *std::move(metrics);
  state_.validated_at = state_.steps_done;
  telemetry::Scalars scalars{state_.steps_done, {}};
  std::vector<base::ProgressField> fields;
  for (const Metric& metric : state_.metrics) {
    scalars.values.push_back({"val/" + metric.key, metric.value});
    if (metric.in_table) {
      fields.push_back(
          {absl::StrReplaceAll(metric.title, {{" ", "_"}}), metric.value});
    }
  }
  run_.Log({std::move(scalars), options_.arm});
  progress.Milestone(std::move(fields));
  for (const Metric& metric : state_.metrics) {
    // A score of a class that no image has is NaN; a loss should be finite.
    if (metric.higher_is_better || std::isfinite(metric.value)) continue;
    base::Console::Stderr().Line(absl::StrCat(
        "warning: ", options_.arm, ": ", metric.title, " after step ",
        state_.steps_done, " is ", metric.value,
        "; the training has probably diverged, lower --learning_rate"));
  }
  const Metric* const headline = Headline(state_.metrics);
  if (headline == nullptr || std::isnan(headline->value) ||
      (state_.best.has_value() && !IsBetter(*headline, *state_.best))) {
    return absl::OkStatus();
  }
  state_.best = headline->value;
  if (options_.checkpoint_directory.empty()) return absl::OkStatus();
  return Save(BestCheckpointPath(options_.checkpoint_directory));
}

absl::Status ArmTrainer::Save(const std::string& path) {
  // The records up to this step, before the step counts as done.
  run_.Flush();
  return SaveCheckpoint(
      path,
      {options_.arm, state_.steps_done, ArmStateToJson(state_),
       /*validated=*/!ValidationDue()},
      net_, *adam_);
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

absl::Status ArmTrainer::FinishStep(base::Progress& progress) {
  const bool last = state_.steps_done == total_steps_;
  const bool save = last || Due(options_.checkpoint_every);
  if (!ValidationDue()) return save ? SaveNumbered() : absl::OkStatus();
  if (save) {
    if (absl::Status status = SaveNumbered(); !status.ok()) return status;
  }
  validation_ = Validate(progress);
  // The scores of a finished arm are those of its checkpoint.
  return last && validation_.ok() ? SaveNumbered() : absl::OkStatus();
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
  result.metrics = state_.metrics;
  result.best = state_.best;
  result.layer_means = state_.layer_means;
  result.median_step_seconds = state_.step_times.Median();
  result.train_seconds = state_.train_seconds;
  result.finished = state_.steps_done >= total_steps_ && validation_.ok();
  result.validation = validation_;
  return result;
}

absl::StatusOr<ArmResult> ArmTrainer::Train(base::ProgressMode progress_mode) {
  if (absl::Status status = Resume(); !status.ok()) return status;
  if (state_.steps_done >= total_steps_ && !ValidationDue()) return Result();

  data::LoaderOptions loader_options = options_.loader;
  loader_options.seed = static_cast<uint64_t>(options_.train.seed);
  loader_options.start_batch = state_.steps_done;
  absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(datasets_.train, options_.batch, loader_options);
  if (!loader.ok()) return loader.status();

  base::ProgressOptions progress_options;
  progress_options.initial = state_.steps_done;
  base::Progress progress(progress_mode, options_.arm, total_steps_,
                          progress_options);
  telemetry::SystemSampler system(absl::Now(), absl::Seconds(10), GpusOf(net_));
  const double seconds_before = state_.train_seconds;
  const Stopwatch stopwatch;
  // Of a run that was interrupted between a checkpoint and its validation.
  if (ValidationDue()) {
    context_.step = state_.steps_done - 1;
    if (absl::Status status = FinishStep(progress); !status.ok()) return status;
  }
  while (state_.steps_done < total_steps_ && validation_.ok() &&
         !(options_.should_stop && options_.should_stop())) {
    if (absl::Status status = run_.journal_status(); !status.ok()) {
      return status;
    }
    const absl::StatusOr<data::Batch> batch = (*loader)->Next();
    if (!batch.ok()) return batch.status();
    const absl::StatusOr<StepResult> result = Step(*batch);
    if (!result.ok()) return result.status();
    progress.Update(state_.steps_done,
                    {{"loss", result->loss}, {"lr", result->learning_rate}});
    state_.train_seconds = seconds_before + stopwatch.Seconds();
    if (const auto stats = system.Sample(state_.steps_done, absl::Now())) {
      run_.Log({*stats, options_.arm});
    }
    if (absl::Status status = FinishStep(progress); !status.ok()) return status;
  }
  // Stopped, or ended by a validation that no checkpoint came before.
  if (state_.steps_done < total_steps_) {
    if (absl::Status status = SaveNumbered(); !status.ok()) return status;
  }
  progress.Finish();
  return Result();
}

}  // namespace

int64_t TotalSteps(const ArmOptions& options, const data::Dataset& train) {
  if (options.train.steps > 0) return options.train.steps;
  return options.train.epochs *
         data::BatchesPerEpoch(train.size(), options.batch);
}

absl::StatusOr<ArmResult> TrainArm(const Task& task, nn::Net& net,
                                   nn::QuantContext& context,
                                   const data::DatasetPair& datasets,
                                   const ArmOptions& options,
                                   base::ProgressMode progress_mode,
                                   telemetry::Run& run) {
  context.seed = static_cast<uint32_t>(options.train.seed);
  return ArmTrainer(task, net, context, datasets, options, run)
      .Train(progress_mode);
}

}  // namespace cnn_fp4::train
