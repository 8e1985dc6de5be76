#ifndef TRAIN_TEST_NET_H_
#define TRAIN_TEST_NET_H_

// A small UNet under a policy, for tests and benchmarks of this room.

#include <cstdint>
#include <memory>
#include <string>

#include "nn/gemm/quant_context.h"
#include "nn/net.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::train {

struct TestNet {
  std::shared_ptr<nn::Net> net;
  std::shared_ptr<nn::QuantContext> context;
  nn::LossScaling loss_scaling = nn::LossScaling::kOff;  // The policy's.
};

struct TestNetOptions {
  double model_scale_factor = 0.125;
  int64_t num_classes = 2;
  uint64_t seed = 5;
};

// CHECK-fails for a policy that is none.
TestNet MakeTestNet(const std::string& policy,
                    const TestNetOptions& options = {});

}  // namespace cnn_fp4::train

#endif  // TRAIN_TEST_NET_H_
