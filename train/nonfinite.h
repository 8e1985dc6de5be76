#ifndef TRAIN_NONFINITE_H_
#define TRAIN_NONFINITE_H_

// Forward passes that end well or say where NaN or Inf came in.

#include <string>

#include "absl/status/statusor.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

// The net's dense output for scoring and prediction, without gradients.
// Internal, naming the layer and the first tensor that is not finite, where a
// quantiser refuses an operand.
absl::StatusOr<at::Tensor> Infer(nn::Net& net, nn::QuantContext& context,
                                 const at::Tensor& images);

// Describes the first tensor with a NaN or an infinity, in the order in which a
// step meets them: parameters, images, the input of each layer, logits. Runs
// the net forward once more. "no tensor: ..." if none is found.
std::string FirstNonFiniteInForward(nn::Net& net, nn::QuantContext& context,
                                    const at::Tensor& images);

// The same for gradients, in the order in which the backward pass makes them:
// last layer first.
std::string FirstNonFiniteGradient(const nn::Net& net);

}  // namespace cnn_fp4::train

#endif  // TRAIN_NONFINITE_H_
