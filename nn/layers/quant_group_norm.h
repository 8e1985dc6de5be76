#ifndef NN_LAYERS_QUANT_GROUP_NORM_H_
#define NN_LAYERS_QUANT_GROUP_NORM_H_

// QuantGroupNorm: torch's GroupNorm (Wu and He 2018, arXiv:1803.08494) whose
// input can be rounded first, for asking what a normalisation in low precision
// would cost. Until Quantize (quantize.h) gives it a format, and under every
// policy that does not name the operand x, it is torch's in FP32.
//
//   norm1 = register_module("norm1", QuantGroupNorm(/*groups=*/8, 64));
//
// A recipe's blocks lie along the channels, as those of the convolution's input
// that reads the same memory. The gradient is straight-through (Bengio et al.
// 2013, arXiv:1308.3432): that of x is taken for that of rounded x.
//
// Limit: statistics, scale and shift are computed in FP32 in any case.

#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <string>

#include "nn/precision/conv_precision.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::nn {

class QuantGroupNormImpl : public torch::nn::GroupNormImpl {
 public:
  using torch::nn::GroupNormImpl::GroupNormImpl;

  // `name`: for messages.
  void SetInputFormat(const std::string& name, const OperandFormat& format);

  // Neither name nor role.
  LayerInfo Describe() const;

  // x: [N, C, H, W]. Throws c10::Error that names the layer and the index when
  // an input of a recipe is not finite.
  at::Tensor forward(const at::Tensor& x);

 private:
  std::string name_;
  OperandFormat format_;
};
TORCH_MODULE(QuantGroupNorm);

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_QUANT_GROUP_NORM_H_
