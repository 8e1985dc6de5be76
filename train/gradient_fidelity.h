#ifndef TRAIN_GRADIENT_FIDELITY_H_
#define TRAIN_GRADIENT_FIDELITY_H_

// What quantising an operand of the backward pass does to a layer's gradients,
// without training: each layer's x, w and dy are taken from a forward and a
// backward pass of the net in BF16, and dx and dw are computed from them twice,
// in FP32 and with the operand in the format that a policy gives it. The cosine
// of the two says how far the direction of the gradient is kept: 1 is all of
// it.
//
//   const auto fidelity = CompareGradients(*task, net, context, batches,
//   policy); fidelity[0].cosines;   // one for each batch
//
// Limits: one operand of one layer at a time, so errors do not add up on their
// way through the net; rotated operands of wgrad go together, since neither can
// be rotated alone. Stochastic roundings draw the bits of the context's step.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "data/batch.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

class Task;

struct GradientFidelity {
  std::string layer;
  // As policies spell it, "dgrad_dy"; rotated operands of wgrad together,
  // "wgrad_dy, wgrad_x".
  std::string operand;
  std::string gradient;         // "dx" or "dw".
  std::vector<double> cosines;  // One a batch; NaN where a gradient is zero.
};

// In the order of the net, then of the operands; all layers but the output
// layer, operands that the policy has in FP4 only. The first layers have no dx.
// Leaves the net under `policy`, its gradients undefined. Errors:
// nn::Quantize's; Internal where an operand is not finite.
absl::StatusOr<std::vector<GradientFidelity>> CompareGradients(
    const Task& task, nn::Net& net,
    const std::shared_ptr<nn::QuantContext>& context,
    absl::Span<const data::Batch> batches, const nn::Policy& policy);

}  // namespace cnn_fp4::train

#endif  // TRAIN_GRADIENT_FIDELITY_H_
