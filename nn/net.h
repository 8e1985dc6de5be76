#ifndef NN_NET_H_
#define NN_NET_H_

// A net that the trainer can train: a torch::nn::Module whose parameters, state
// and layers are torch's own registration. Which of its layers are quantised,
// and how, is a Policy (nn/layers/quantize.h). docs/your_own_net.md shows one.

#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace cnn_fp4::nn {

// What a net computes. Semantic segmentation reads `dense`.
struct Output {
  at::Tensor dense;  // [N, classes, H, W] logits, FP32, H and W the images'.
};

// The paths of the layers that policies call `first` and `last`, and of the
// output layer, which follows a rule of its own.
struct LayerRoles {
  std::vector<std::string> first;
  std::vector<std::string> last;
  std::vector<std::string> output;
};

class Net : public torch::nn::Module {
 public:
  // images: [N, C, H, W] FP32 on any device.
  virtual Output forward(const at::Tensor& images) = 0;

  virtual LayerRoles roles() const = 0;
};

}  // namespace cnn_fp4::nn

#endif  // NN_NET_H_
