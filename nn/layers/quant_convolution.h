#ifndef NN_LAYERS_QUANT_CONVOLUTION_H_
#define NN_LAYERS_QUANT_CONVOLUTION_H_

// A differentiable 2-D convolution, plain or transposed, whose six GEMM
// operands are in the formats of a ConvPrecision.
//
//   fprop  y  = R( conv  ( Q(x) , Q(w) ) + b )
//   dgrad  dx = R( conv^T( Q'(dy), Q'(w) ) )
//   wgrad  dw = R( corr  ( Q"(x) , Q"(dy) ) )
//   bias   db = sum of dy over N, H, W
//
// R is the rounding of ConvPrecision::result, each Q that of its operand.
// Accumulation is in FP32. Operands of wgrad are quantised along the positions,
// as rows of im2col (nn/gemm/wgrad_operand.h).
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
// Limits: FP32 tensors, no double backward. A layer that is FP32 throughout is
// LibTorch's own convolution, whose backward operands no observer sees. On CUDA
// FP16 operands and results run in torch's autocast; FP4 operands are quantised
// on the CPU.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "nn/gemm/conv_geometry.h"
#include "nn/gemm/quant_context.h"
#include "nn/precision/conv_precision.h"

namespace cnn_fp4::nn {

// What one layer's calls share.
struct ConvSpec {
  std::string layer;  // For messages, and for the stream of random bits.
  ConvGeometry geometry;
  ConvPrecision precision;
  std::shared_ptr<const QuantContext> context;  // Never null.
};

// Shapes: nn/gemm/conv_geometry.h; bias: [Cout], or undefined. Throws
// c10::Error that names the layer, the operand and the index when an FP4
// operand made of x or w is not finite. A dy that is not finite propagates: the
// block that holds it becomes NaN, and the trainer skips the step.
// `learned`: the parameters of formats whose scale is learnt, else undefined;
// nn/layers/learned_scale.h has what their gradients are.
struct LearnedScales {
  at::Tensor log2_weight_scale;  // [1] or [Cout]
  at::Tensor x_clip;             // [1]
};
at::Tensor QuantConvolution(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias,
                            const std::shared_ptr<const ConvSpec>& spec,
                            const LearnedScales& learned = {});

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_QUANT_CONVOLUTION_H_
