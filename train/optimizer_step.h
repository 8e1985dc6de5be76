#ifndef TRAIN_OPTIMIZER_STEP_H_
#define TRAIN_OPTIMIZER_STEP_H_

// From the gradients of a scaled loss to a step of Adam: unscale, clip, skip
// what is not finite.

#include <cstdint>
#include <memory>

#include "nn/precision/policy.h"
#include "train/grad_scaler.h"
#include "train/train_spec.h"

namespace torch::nn {
class Module;
}  // namespace torch::nn
namespace torch::optim {
class Optimizer;
}  // namespace torch::optim

namespace cnn_fp4::train {

// Adam (Kingma and Ba 2015, arXiv:1412.6980) over all parameters of a net.
std::unique_ptr<torch::optim::Optimizer> MakeAdam(const torch::nn::Module& net,
                                                  const TrainSpec& spec);

void SetLearningRate(double rate, torch::optim::Optimizer& optimizer);

// A static loss scale is spec.initial_loss_scale in every step.
GradScalerOptions ScalerOptions(const TrainSpec& spec,
                                nn::LossScaling loss_scaling);

// Divides the gradients by `loss_scale` and, if max_norm > 0, scales them down
// to that joint norm. Returns their norm before clipping: NaN or Inf if any
// gradient is.
double UnscaleAndClip(const torch::nn::Module& net, double loss_scale,
                      double max_norm);

}  // namespace cnn_fp4::train

#endif  // TRAIN_OPTIMIZER_STEP_H_
