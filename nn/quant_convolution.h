#ifndef NN_QUANT_CONVOLUTION_H_
#define NN_QUANT_CONVOLUTION_H_

// A differentiable 2-D convolution, plain or transposed, whose six GEMM
// operands are in the formats of a ConvPrecision.
//
//   fprop  y  = R( conv  ( Q(x) , Q(w) ) + b )
//   dgrad  dx = R( conv^T( Q'(dy), Q'(w) ) )
//   wgrad  dw = R( corr  ( Q"(x) , Q"(dy) ) )
//   bias   db = sum of dy over N, H, W
//
// R is the rounding of ConvPrecision::result, each Q that of its operand.
// Accumulation is in FP32.
//
// The surrogate. A quantiser is a staircase whose derivative is zero almost
// everywhere; the backward pass differentiates another function in its place.
// With dgrad_w and wgrad_x unset and plain FP32 dy (the straight-through
// estimator, Bengio et al. 2013, arXiv:1308.3432) that function is, around the
// point (x0, w0) of the forward pass,
//
//   y(x, w) = conv( Q(x0) + (x - x0), Q(w0) + (w - w0) ) + b
//
// and the gradients are exactly its. quant_convolution_test holds them against
// a numeric Jacobian of it. With an identity for every Q they are those of
// torch's convolution.
//
// Limits: FP32 tensors, one group, dilation 1, no double backward. On CUDA the
// policy fp16 runs torch's FP16 autocast; FP4 operands are quantised on the CPU
// and multiplied in TF32, in which they are exact.

#include <cstdint>
#include <memory>
#include <string>

#include "nn/conv_precision.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {

struct ConvGeometry {
  int64_t stride = 1;
  int64_t padding = 0;
  bool transposed = false;
};

// What one layer's calls share.
struct ConvSpec {
  std::string layer;  // For messages.
  ConvGeometry geometry;
  ConvPrecision precision;
};

// x: [N, Cin, H, W]. weight: [Cout, Cin, kh, kw], or [Cin, Cout, kh, kw] if
// transposed. bias: [Cout]. Throws c10::Error that names the layer, the operand
// and the index when an FP4 operand is not finite.
at::Tensor QuantConvolution(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias,
                            const std::shared_ptr<const ConvSpec>& spec);

// The axes of a weight that fprop and dgrad sum over.
int FpropWeightAxis(const ConvGeometry& geometry);
int DgradWeightAxis(const ConvGeometry& geometry);

}  // namespace cnn_fp4::nn

#endif  // NN_QUANT_CONVOLUTION_H_
