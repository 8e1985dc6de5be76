#ifndef TRAIN_NONFINITE_H_
#define TRAIN_NONFINITE_H_

// Finds where NaN or Inf came into a training step.

#include <string>

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

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
