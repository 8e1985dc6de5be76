#include "train/grad_scaler.h"

namespace cnn_fp4::train {

GradScaler::GradScaler(const GradScalerOptions& options) : options_(options) {
  state_.scale = options.enabled ? options.initial_scale : 1.0;
}

bool GradScaler::Update(bool gradients_finite) {
  if (!gradients_finite) {
    ++state_.skipped_steps;
    state_.good_steps = 0;
    if (options_.enabled) state_.scale *= options_.backoff_factor;
    return false;
  }
  if (++state_.good_steps == options_.growth_interval) {
    state_.good_steps = 0;
    if (options_.enabled) state_.scale *= options_.growth_factor;
  }
  return true;
}

}  // namespace cnn_fp4::train
