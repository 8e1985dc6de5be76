#ifndef TRAIN_GRAD_SCALER_H_
#define TRAIN_GRAD_SCALER_H_

// Dynamic loss scaling (Micikevicius et al. 2018, arXiv:1710.03740), with the
// rule and the defaults of torch.amp.GradScaler: the loss is multiplied by
// `scale` so that small gradients survive in FP16; a step whose gradients hold
// Inf or NaN is skipped and the scale halved; after growth_interval steps
// without one it is doubled.

#include <cstdint>

namespace cnn_fp4::train {

struct GradScalerOptions {
  bool enabled = true;
  double initial_scale = 65536.0;
  double growth_factor = 2.0;
  double backoff_factor = 0.5;
  int64_t growth_interval = 2000;
};

// What a checkpoint keeps.
struct GradScalerState {
  double scale = 1.0;
  int64_t good_steps = 0;     // Since the scale last changed.
  int64_t skipped_steps = 0;  // In all.
};

class GradScaler {
 public:
  explicit GradScaler(const GradScalerOptions& options);

  // 1 when disabled.
  double scale() const { return state_.scale; }

  // Call once a step with whether the unscaled gradients are all finite.
  // Returns whether the optimiser shall step. A disabled scaler skips steps
  // with non-finite gradients, too, and keeps its scale of 1.
  bool Update(bool gradients_finite);

  const GradScalerState& state() const { return state_; }
  void set_state(const GradScalerState& state) { state_ = state; }

 private:
  GradScalerOptions options_;
  GradScalerState state_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_GRAD_SCALER_H_
