#ifndef TRAIN_TRAIN_ARM_H_
#define TRAIN_TRAIN_ARM_H_

// Trains one arm of an experiment: one net under one policy, from its first
// step (or from its newest checkpoint) to its last.
//
// Everything random follows from seeds and the step, and checkpoints hold all
// state, so a run that was interrupted and resumed has the losses of one that
// was not, bit for bit (on the same machine with the same number of threads).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/progress.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "nn/precision/policy.h"
#include "quant/recipe.h"
#include "telemetry/run.h"
#include "train/layer_means.h"
#include "train/metric.h"
#include "train/train_spec.h"

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

class Task;

struct ArmOptions {
  // The arm's key, in records, messages and checkpoints: "nvfp4".
  std::string arm;
  // The arm's policy's.
  nn::LossScaling loss_scaling = nn::LossScaling::kOff;
  TrainSpec train;
  data::BatchSpec batch;
  // The trainer sets seed and start_batch.
  data::LoaderOptions loader;

  // Steps between measurements of every layer; 0: the first and the last only.
  int64_t logf = 50;
  // Recipes that are not in use: what they would do to the same tensors is
  // measured, too.
  std::vector<quant::Recipe> what_if;
  // Steps between checkpoints; 0: at the end or when stopped only.
  int64_t checkpoint_every = 0;
  // How many numbered checkpoints are kept, beside the best.
  int64_t keep_checkpoints = 2;
  std::string checkpoint_directory;  // Empty: none are written.
  // Asked before each step; true ends the arm there, after a checkpoint. Empty:
  // the arm is never stopped.
  std::function<bool()> should_stop;
};

struct ArmResult {
  int64_t steps_done = 0;
  int64_t skipped_steps = 0;  // By the gradient scaler.
  // Mean of the last 10 steps; unset before the first.
  std::optional<double> train_loss;
  // Of the last validation; empty before the first.
  std::vector<Metric> metrics;
  // The best value of the headline metric; unset: none was a number.
  std::optional<double> best;
  // Of the last step at which every layer was measured.
  LayerMeans layer_means;
  double median_step_seconds = 0;  // Forward, backward, optimiser; 0: no step.
  double train_seconds = 0;        // The whole arm, interruptions left out.
  bool finished = false;           // false: should_stop said so.
  // Not OK: a validation failed, which ended the arm. Nothing of the training
  // is lost: a checkpoint was written, and a resume validates again.
  absl::Status validation;
};

// Steps of the whole arm, from options.train.steps or epochs.
int64_t TotalSteps(const ArmOptions& options, const data::Dataset& train);

// Trains `net`, which is under a policy with `context`, in place on `task`.
// Measurements go to `run`. A checkpoint is written before each validation that
// falls on its step. Errors: the training data set's; those of LoadCheckpoint;
// Internal for a loss, an operand, or gradients over and over, that are not
// finite, naming the first tensor that is not; those of Run::journal_status.
absl::StatusOr<ArmResult> TrainArm(const Task& task, nn::Net& net,
                                   nn::QuantContext& context,
                                   const data::DatasetPair& datasets,
                                   const ArmOptions& options,
                                   base::ProgressMode progress_mode,
                                   telemetry::Run& run);

}  // namespace cnn_fp4::train

#endif  // TRAIN_TRAIN_ARM_H_
