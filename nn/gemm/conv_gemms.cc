#include "nn/gemm/conv_gemms.h"

#include <torch/torch.h>

#include <array>
#include <optional>

namespace cnn_fp4::nn {
namespace {

float Scale(const GemmOperand& operand) {
  return operand.scale.defined() ? operand.scale.item<float>() : 1.0f;
}

at::Tensor ScaleOnDevice(const GemmOperand& a, const GemmOperand& b) {
  if (!a.scale.defined()) return b.scale;
  return b.scale.defined() ? a.scale * b.scale : a.scale;
}

// result *= a.scale * b.scale. On a CPU the scales are read, and a product of 1
// costs nothing; on another device nothing waits for it.
void ApplyScales(const GemmOperand& a, const GemmOperand& b,
                 at::Tensor& result) {
  if (result.is_cpu()) {
    const float scale = Scale(a) * Scale(b);
    if (scale != 1.0f) result.mul_(scale);
    return;
  }
  const at::Tensor scale = ScaleOnDevice(a, b);
  if (scale.defined()) result.mul_(scale);
}

// `which`: 0 for dx, 1 for dw.
at::Tensor Gradient(int which, const at::Tensor& dy, const at::Tensor& x,
                    const at::Tensor& w, const ConvGeometry& g) {
  std::array<bool, 3> mask = {false, false, false};
  mask[which] = true;
  const auto gradients = at::convolution_backward(
      dy, x, w, at::OptionalIntArrayRef(), g.stride, g.padding, g.dilation,
      g.transposed, g.output_padding, g.groups, mask);
  return which == 0 ? std::get<0>(gradients) : std::get<1>(gradients);
}

class AtenFp32 : public ConvGemms {
 public:
  std::string name() const override { return "aten_fp32"; }

  at::Tensor Fprop(const GemmOperand& x, const GemmOperand& w,
                   const at::Tensor& bias,
                   const ConvGeometry& g) const override {
    at::Tensor y = PlainConvolution(x.values, w.values, {}, g);
    if (bias.defined() && y.is_cpu()) {
      // One pass for both: bias + (product of tensor scales) * y.
      at::add_out(y, bias.view({1, -1, 1, 1}), y, Scale(x) * Scale(w));
      return y;
    }
    ApplyScales(x, w, y);
    if (bias.defined()) y.add_(bias.view({1, -1, 1, 1}));
    return y;
  }

  at::Tensor Dgrad(const GemmOperand& dy, const GemmOperand& w,
                   const at::Tensor& x, const ConvGeometry& g) const override {
    at::Tensor dx = Gradient(0, dy.values, x, w.values, g);
    ApplyScales(dy, w, dx);
    return dx;
  }

  at::Tensor Wgrad(const GemmOperand& dy, const GemmOperand& x,
                   const at::Tensor& w, const ConvGeometry& g) const override {
    at::Tensor dw = Gradient(1, dy.values, x.values, w, g);
    ApplyScales(dy, x, dw);
    return dw;
  }
};

}  // namespace

const ConvGemms& AtenFp32Gemms() {
  static const auto* const gemms = new AtenFp32;
  return *gemms;
}

at::Tensor PlainConvolution(const at::Tensor& x, const at::Tensor& w,
                            const at::Tensor& bias, const ConvGeometry& g) {
  return at::convolution(
      x, w, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt,
      g.stride, g.padding, g.dilation, g.transposed, g.output_padding,
      g.groups);
}

}  // namespace cnn_fp4::nn
