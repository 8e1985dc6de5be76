#include "nn/gemm/conv_gemms.h"

#include <torch/torch.h>

#include <algorithm>
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

// Each kernel column has a copy of the unfolded operand, as channels of its
// own, so that one convolution with a kernel of kh x 1 is left. A transposed
// convolution's wgrad is that of a plain one with x and dy exchanged.
at::Tensor WgradOfWindows(const GemmOperand& other, const GemmOperand& windows,
                          const at::Tensor& w, const ConvGeometry& g) {
  const int64_t rows = w.size(0), channels = w.size(1);
  const int64_t kh = w.size(2), kw = w.size(3);
  ConvGeometry column;
  column.stride = {g.stride[0], 1};
  column.padding = {g.padding[0], 0};
  column.dilation = {g.dilation[0], 1};
  column.groups = g.groups;
  const at::Tensor columns =
      Gradient(1, other.values, windows.values,
               at::empty({rows, kw * channels, kh, 1}, w.options()), column);
  return columns.view({rows, kw, channels, kh})
      .permute({0, 2, 3, 1})
      .contiguous();
}

// [C, k]: the positions of each channel, padded with zeros.
at::Tensor Rows(const GemmOperand& operand, int64_t k) {
  const at::Tensor rows = operand.form == OperandForm::kMatrix
                              ? operand.values
                              : operand.values.transpose(0, 1).flatten(1);
  return rows.size(1) == k ? rows
                           : at::constant_pad_nd(rows, {0, k - rows.size(1)});
}

at::Tensor WgradOfMatrices(const GemmOperand& other,
                           const GemmOperand& unfolded, const at::Tensor& w,
                           const ConvGeometry& g) {
  // Blocks of different sizes are padded to different lengths.
  const int64_t k =
      other.form == OperandForm::kMatrix
          ? std::max(other.values.size(1), unfolded.values.size(1))
          : unfolded.values.size(1);
  const at::Tensor a = Rows(other, k).view({g.groups, -1, k});
  const at::Tensor b = Rows(unfolded, k).view({g.groups, -1, k});
  return at::bmm(a, b.transpose(1, 2)).view(w.sizes());
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
    const GemmOperand& unfolded = g.transposed ? dy : x;
    const GemmOperand& other = g.transposed ? x : dy;
    at::Tensor dw;
    switch (unfolded.form) {
      case OperandForm::kTensor:
        dw = Gradient(1, dy.values, x.values, w, g);
        break;
      case OperandForm::kWindows:
        dw = WgradOfWindows(other, unfolded, w, g);
        break;
      case OperandForm::kMatrix:
        dw = WgradOfMatrices(other, unfolded, w, g);
        break;
    }
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
