#ifndef TRAIN_TRAIN_ARM_H_
#define TRAIN_TRAIN_ARM_H_

// Trains one arm of an experiment: one net in one precision, from its first
// step (or from its newest checkpoint) to its last.
//
// Everything random follows from seeds and the step, and checkpoints hold all
// state, so a run that was interrupted and resumed has the losses of one that
// was not, bit for bit (on the same machine with the same number of threads).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/progress.h"
#include "data/dataset_registry.h"
#include "data/loader.h"
#include "nn/unet.h"
#include "telemetry/run.h"
#include "train/learning_rate.h"

namespace cnn_fp4::train {

struct ArmOptions {
  std::string model;  // Of the arm, in records and messages: "nvfp4".
  int64_t steps = 100;
  LearningRateOptions learning_rate;
  double weight_decay = 0.0;       // Adam's, added to the gradient.
  double max_gradient_norm = 1.0;  // Of all gradients together; 0: no clipping.
  double dice_weight = 1.0;
  // FP16 starts from this loss scale; policies that need none ignore it.
  double initial_loss_scale = 65536.0;
  int64_t logf = 50;             // Steps between measurements of every layer.
  int64_t validate_every = 0;    // Steps; 0: after the last step only.
  int64_t checkpoint_every = 0;  // Steps; 0: at the end or when stopped only.
  int keep_checkpoints = 2;      // The last so many, beside the best.
  std::string checkpoint_directory;  // Empty: none are written.
  // Asked before each step; true ends the arm there, after a checkpoint. Empty:
  // the arm is never stopped.
  std::function<bool()> should_stop;
};

struct ValidationScore {
  double loss = 0;
  double mean_iou = 0;
  double mean_dice = 0;
  std::vector<double> iou;  // Of each class.
  std::vector<double> dice;
};

struct ArmResult {
  int64_t steps_done = 0;
  int64_t skipped_steps = 0;   // By the gradient scaler.
  double train_loss = 0;       // Mean of the last 10 steps.
  ValidationScore validation;  // Of the last one; empty iou: there was none.
  double best_mean_iou = 0;
  double median_step_seconds = 0;  // Forward, backward, optimiser.
  double train_seconds = 0;        // The whole arm, interruptions left out.
  bool finished = false;           // false: should_stop said so.
};

// Trains `net` in place. Measurements go to `run`. Errors: the data set's;
// InvalidArgument for a checkpoint of another net; Internal for a loss, or
// gradients over and over, that are not finite, naming the first tensor that is
// not.
absl::StatusOr<ArmResult> TrainArm(nn::UNet& net,
                                   const data::DatasetPair& datasets,
                                   const data::LoaderOptions& loader_options,
                                   const ArmOptions& options,
                                   base::ProgressMode progress_mode,
                                   telemetry::Run& run);

}  // namespace cnn_fp4::train

#endif  // TRAIN_TRAIN_ARM_H_
