#ifndef TRAIN_LEARNING_RATE_H_
#define TRAIN_LEARNING_RATE_H_

// Linear warm-up, then half a cosine down to a floor (Loshchilov and Hutter
// 2017, arXiv:1608.03983, without restarts).

#include <cstdint>

namespace cnn_fp4::train {

struct LearningRateOptions {
  double peak = 1e-3;
  int64_t warmup_steps = 10;
  double final_fraction = 0.01;  // Of the peak, at the last step.
};

// The rate of step `step` in [0, total_steps).
double LearningRate(const LearningRateOptions& options, int64_t step,
                    int64_t total_steps);

}  // namespace cnn_fp4::train

#endif  // TRAIN_LEARNING_RATE_H_
