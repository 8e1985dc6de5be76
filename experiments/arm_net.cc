#include "experiments/arm_net.h"

#include <torch/torch.h>

#include "nn/gemm/quant_context.h"
#include "nn/layers/quantize.h"
#include "nn/models/models.h"
#include "nn/net.h"

namespace cnn_fp4::experiments {

absl::StatusOr<ArmNet> MakeArmNet(const std::string& arm,
                                  const nn::NetSpec& spec, int64_t num_classes,
                                  uint64_t seed, const std::string& device) {
  const absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(arm);
  if (!policy.ok()) return policy.status();
  absl::StatusOr<std::shared_ptr<nn::Net>> net =
      nn::CreateNet(spec, num_classes, seed);
  if (!net.ok()) return net.status();
  ArmNet made{*std::move(net), std::make_shared<nn::QuantContext>(),
              policy->loss_scaling(), 0};
  absl::Status status = nn::Quantize(*made.net, *policy, made.context);
  if (!status.ok()) return status;
  made.net->to(torch::Device(device));
  for (const at::Tensor& parameter : made.net->parameters()) {
    made.num_parameters += parameter.numel();
  }
  return made;
}

}  // namespace cnn_fp4::experiments
