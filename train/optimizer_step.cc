#include "train/optimizer_step.h"

#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace cnn_fp4::train {

std::unique_ptr<torch::optim::Optimizer> MakeAdam(const torch::nn::Module& net,
                                                  const TrainSpec& spec) {
  return std::make_unique<torch::optim::Adam>(
      net.parameters(),
      torch::optim::AdamOptions(spec.learning_rate)
          .betas(std::make_tuple(spec.adam_beta1, spec.adam_beta2))
          .eps(spec.adam_epsilon)
          .weight_decay(spec.weight_decay));
}

void SetLearningRate(double rate, torch::optim::Optimizer& optimizer) {
  for (auto& group : optimizer.param_groups()) group.options().set_lr(rate);
}

GradScalerOptions ScalerOptions(const TrainSpec& spec,
                                nn::LossScaling loss_scaling) {
  GradScalerOptions options;
  options.enabled = loss_scaling != nn::LossScaling::kOff;
  options.initial_scale = spec.initial_loss_scale;
  if (loss_scaling == nn::LossScaling::kStatic) {
    options.growth_factor = options.backoff_factor = 1.0;
    return options;
  }
  options.growth_factor = spec.loss_scale_growth_factor;
  options.backoff_factor = spec.loss_scale_backoff_factor;
  options.growth_interval = spec.loss_scale_growth_interval;
  return options;
}

double UnscaleAndClip(const torch::nn::Module& net, double loss_scale,
                      double max_norm) {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : net.parameters()) {
    // A parameter that the net did not use has none.
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  const float inverse_scale = static_cast<float>(1.0 / loss_scale);
  double square = 0;
  for (at::Tensor& gradient : gradients) {
    if (inverse_scale != 1.0f) gradient.mul_(inverse_scale);
    const double norm = gradient.norm().item<double>();
    square += norm * norm;
  }
  const double norm = std::sqrt(square);
  if (max_norm > 0 && std::isfinite(norm) && norm > max_norm) {
    const double factor = max_norm / norm;
    for (at::Tensor& gradient : gradients) gradient.mul_(factor);
  }
  return norm;
}

}  // namespace cnn_fp4::train
