#include "train/learning_rate.h"

#include <algorithm>
#include <cmath>

namespace cnn_fp4::train {

double LearningRate(const LearningRateOptions& options, int64_t step,
                    int64_t total_steps) {
  if (step < options.warmup_steps) {
    return options.peak * static_cast<double>(step + 1) /
           static_cast<double>(options.warmup_steps);
  }
  const int64_t decay_steps =
      std::max<int64_t>(1, total_steps - 1 - options.warmup_steps);
  const double progress =
      std::min(1.0, static_cast<double>(step - options.warmup_steps) /
                        static_cast<double>(decay_steps));
  const double cosine = 0.5 * (1.0 + std::cos(M_PI * progress));
  return options.peak *
         (options.final_fraction + (1.0 - options.final_fraction) * cosine);
}

}  // namespace cnn_fp4::train
