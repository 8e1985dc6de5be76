#ifndef EXPERIMENTS_ARM_NET_H_
#define EXPERIMENTS_ARM_NET_H_

// The net of one arm, under the arm's policy and on its device, for files that
// need not see LibTorch's headers.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nn/models/net_spec.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::experiments {

struct ArmNet {
  std::shared_ptr<nn::Net> net;
  std::shared_ptr<nn::QuantContext> context;
  nn::LossScaling loss_scaling = nn::LossScaling::kOff;  // The policy's.
  int64_t num_parameters = 0;
};

// `arm` is a policy's text; weights are drawn from `seed`, the same for every
// policy; `device` is "cpu" or "cuda". Errors: those of the policy and of the
// net's specification.
absl::StatusOr<ArmNet> MakeArmNet(const std::string& arm,
                                  const nn::NetSpec& spec, int64_t num_classes,
                                  uint64_t seed, const std::string& device);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_ARM_NET_H_
