#include "nn/layers/quant_group_norm.h"

#include <torch/torch.h>

#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rounds forward, hands the gradient through.
class RoundInput : public torch::autograd::Function<RoundInput> {
 public:
  static at::Tensor forward(AutogradContext* /*ctx*/, const at::Tensor& x,
                            const std::string& name,
                            const OperandFormat& format) {
    const absl::StatusOr<GemmOperand> rounded =
        MakeGemmOperand(x, Operand::kFpropX, ConvGeometry(), format);
    TORCH_CHECK(rounded.ok(), "layer ", name,
                ", operand x: ", rounded.status().message());
    return rounded->scale.defined() ? rounded->values * rounded->scale
                                    : rounded->values.clone();
  }

  static variable_list backward(AutogradContext* /*ctx*/,
                                const variable_list& gradients) {
    return {gradients[0], at::Tensor(), at::Tensor()};
  }
};

}  // namespace

void QuantGroupNormImpl::SetInputFormat(const std::string& name,
                                        const OperandFormat& format) {
  name_ = name;
  format_ = format;
}

LayerInfo QuantGroupNormImpl::Describe() const {
  LayerInfo info;
  info.in_channels = info.out_channels = options.num_channels();
  return info;
}

at::Tensor QuantGroupNormImpl::forward(const at::Tensor& x) {
  if (format_ == OperandFormat()) return GroupNormImpl::forward(x);
  return GroupNormImpl::forward(RoundInput::apply(x, name_, format_));
}

}  // namespace cnn_fp4::nn
