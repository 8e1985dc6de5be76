#ifndef TRAIN_ARM_STATE_H_
#define TRAIN_ARM_STATE_H_

// What a checkpoint keeps of an arm beside tensors: a JSON text that reads back
// to the same bits.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "train/grad_scaler.h"
#include "train/train_arm.h"

namespace cnn_fp4::train {

struct ArmState {
  int64_t steps_done = 0;
  GradScalerState scaler;
  std::vector<double> losses;        // Of the last kLossWindow steps.
  std::vector<double> step_seconds;  // Of every step.
  double train_seconds = 0;
  double best_mean_iou = -1;
  ValidationScore validation;

  static constexpr size_t kLossWindow = 10;
};

std::string ArmStateToJson(const ArmState& state);

// InvalidArgument for a text that ArmStateToJson did not write.
absl::Status ArmStateFromJson(const std::string& text, ArmState* state);

}  // namespace cnn_fp4::train

#endif  // TRAIN_ARM_STATE_H_
