#ifndef TRAIN_ARM_STATE_H_
#define TRAIN_ARM_STATE_H_

// What a checkpoint keeps of an arm beside tensors: a JSON text of bounded size
// that reads back to the same bits, NaN and infinities included. What was
// measured of the layers is not in it: the run's records have that.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "train/grad_scaler.h"
#include "train/layer_means.h"
#include "train/metric.h"

namespace cnn_fp4::train {

// How long the last kWindow steps took. Steps in which every layer is measured
// are kept apart, because measuring slows the forward pass.
class StepTimes {
 public:
  static constexpr size_t kWindow = 256;

  void Add(double seconds, bool was_measured);

  // Of the plain steps; of the measured ones if there are no others; 0 without
  // any.
  double Median() const;

  std::vector<double> plain;  // Oldest first.
  std::vector<double> measured;
};

struct ArmState {
  int64_t steps_done = 0;
  GradScalerState scaler;
  std::vector<double> losses;  // Of the last kLossWindow steps.
  StepTimes step_times;
  double train_seconds = 0;
  // Of the last validation; empty before the first.
  std::vector<Metric> metrics;
  int64_t validated_at = 0;  // steps_done at that time.
  // The best value of the headline metric so far; unset: none was a number.
  std::optional<double> best;
  // Of the last step at which every layer was measured; empty before the first.
  LayerMeans layer_means;

  static constexpr size_t kLossWindow = 10;
};

std::string ArmStateToJson(const ArmState& state);

// InvalidArgument for a text that ArmStateToJson did not write.
absl::Status ArmStateFromJson(const std::string& text, ArmState* state);

}  // namespace cnn_fp4::train

#endif  // TRAIN_ARM_STATE_H_
