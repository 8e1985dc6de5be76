#include "train/test_net.h"

#include <torch/torch.h>

#include "glog/logging.h"
#include "nn/layers/quantize.h"
#include "nn/models/models.h"

namespace cnn_fp4::train {

TestNet MakeTestNet(const std::string& text, const TestNetOptions& options) {
  nn::NetSpec spec;
  spec.model_scale_factor = options.model_scale_factor;
  auto net = nn::CreateNet(spec, options.num_classes, options.seed);
  CHECK(net.ok()) << net.status();
  const absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(text);
  CHECK(policy.ok()) << policy.status();
  TestNet result{*std::move(net), std::make_shared<nn::QuantContext>(),
                 policy->loss_scaling()};
  const absl::Status status =
      nn::Quantize(*result.net, *policy, result.context);
  CHECK(status.ok()) << status;
  return result;
}

}  // namespace cnn_fp4::train
