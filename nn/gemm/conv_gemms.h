#ifndef NN_GEMM_CONV_GEMMS_H_
#define NN_GEMM_CONV_GEMMS_H_

// The three GEMMs of a convolution over operands that are quantised already.
// One interface, several implementations, which give the same results up to the
// order of their FP32 sums: products of block-scaled operands are exact.

#include <cstdint>
#include <string>

#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {

// How far an element of a result may be from the exact sum of `products`
// products, in units of FP32's epsilon times the sum of the absolute values of
// all that is added: the products, their sums, the product of the tensor
// scales, its application and the bias round by half an epsilon each.
constexpr double ConvGemmsTolerance(int64_t products) {
  return 0.5 * static_cast<double>(products + 4);
}

class ConvGemms {
 public:
  virtual ~ConvGemms() = default;

  // For run.json: "aten_fp32".
  virtual std::string name() const = 0;

  // y = conv(x, w) * (x.scale * w.scale) + bias; `bias` [Cout] may be
  // undefined.
  virtual at::Tensor Fprop(const GemmOperand& x, const GemmOperand& w,
                           const at::Tensor& bias,
                           const ConvGeometry& geometry) const = 0;

  // dx, in the shape of `x`, whose values are not read.
  virtual at::Tensor Dgrad(const GemmOperand& dy, const GemmOperand& w,
                           const at::Tensor& x,
                           const ConvGeometry& geometry) const = 0;

  // dw, in the shape of `w`, whose values are not read. The operands are in
  // the forms that MakeWgradOperand gives them (wgrad_operand.h).
  virtual at::Tensor Wgrad(const GemmOperand& dy, const GemmOperand& x,
                           const at::Tensor& w,
                           const ConvGeometry& geometry) const = 0;
};

// FP32 convolutions of LibTorch, on the device of the operands. On CUDA they
// run in TF32, in which block-scaled operands are exact.
const ConvGemms& AtenFp32Gemms();

// LibTorch's own convolution of full-precision tensors; `bias` may be
// undefined.
at::Tensor PlainConvolution(const at::Tensor& x, const at::Tensor& w,
                            const at::Tensor& bias,
                            const ConvGeometry& geometry);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_CONV_GEMMS_H_
