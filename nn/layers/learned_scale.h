#ifndef NN_LAYERS_LEARNED_SCALE_H_
#define NN_LAYERS_LEARNED_SCALE_H_

// Operands whose scale is learnt with the weights instead of being taken from
// the tensor's amax.
//
// Weights: LSQ (Esser et al. 2020, arXiv:1902.08153). One scale a filter, or
// one a tensor (format fp4_per_tensor), is learnt; quant/scale_gradient.h has
// the function that is differentiated. The parameter is the scale's binary
// logarithm, as in TQT (Jain et al. 2019, arXiv:1903.08066): Adam moves every
// parameter by about the learning rate a step, and scales differ by orders of
// magnitude, so that small ones would become negative and large ones not move.
// With an NVFP4 recipe the filter's
// scale is rounded to E4M3 beside a tensor scale that maps the largest one to
// 448, so that the result is an NVFP4 tensor whose blocks share the scale of
// their filter. The gradient of a scale is multiplied by 1 / sqrt(6 n), n the
// number of weights that share it, as the paper does (6 is the largest code).
//
// Activations: PACT (Choi et al. 2018, arXiv:1805.06085), for both signs. A
// value alpha a layer is a parameter:
//
//   x^ = Q(clip(x, -alpha, alpha))
//   dx^/dx = 1 where |x| <= alpha, else 0
//   dx^/dalpha = sign(x) where |x| > alpha, else 0
//
// Q is the recipe with alpha in the place of the amax of the whole tensor,
// where it has such a scale. The paper's regularisation of alpha is the
// trainer's weight_decay.
//
// A parameter of zeros has not been set yet; the first forward pass sets it,
// from the weights or the batch: LSQ's 2 mean|w| / sqrt(6), and for alpha six
// times that of x, the scale with which alpha is the largest value.
//
// Limit: weight_decay, which pulls alpha to 0, pulls scales to 1.

#include <ATen/core/Tensor.h>

#include <optional>

#include "absl/status/statusor.h"
#include "nn/gemm/conv_geometry.h"
#include "nn/gemm/gemm_operand.h"
#include "nn/precision/conv_precision.h"
#include "quant/quantize_options.h"

namespace cnn_fp4::nn {

// Number of scales that `format`, which is learnt, has for a weight.
int64_t NumWeightScales(const at::Tensor& weight, const ConvGeometry& geometry,
                        const OperandFormat& format);

// Sets the parameter if it has not been set.
void InitializeWeightScale(const at::Tensor& weight,
                           const ConvGeometry& geometry, at::Tensor log2_scale);
void InitializeClip(const at::Tensor& x, at::Tensor clip);

// 2^log2_scale.
at::Tensor WeightScale(const at::Tensor& log2_scale);

// The weight as the operand of fprop, `log2_scale` being [NumWeightScales];
// InvalidArgument where a scale is infinite, zero or NaN, and the quantiser's
// errors.
absl::StatusOr<GemmOperand> QuantizeWithScale(
    const at::Tensor& weight, const at::Tensor& log2_scale,
    const ConvGeometry& geometry, const OperandFormat& format,
    std::optional<QuantizedOperand>* taken_apart);

struct WeightGradients {
  at::Tensor weight;
  at::Tensor log2_scale;
};
// From the gradient of what QuantizeWithScale's operand stands for.
WeightGradients BackwardWithScale(const at::Tensor& weight,
                                  const at::Tensor& log2_scale,
                                  const GemmOperand& operand,
                                  const ConvGeometry& geometry,
                                  const OperandFormat& format,
                                  const at::Tensor& gradient);

// x between -clip and clip, without a gradient.
at::Tensor Clip(const at::Tensor& x, const at::Tensor& clip);

// Clip as the operand of fprop, `clip` being [1], a
// positive number; InvalidArgument for others, and the quantiser's errors.
absl::StatusOr<GemmOperand> QuantizeClipped(
    const at::Tensor& x, const at::Tensor& clip, const ConvGeometry& geometry,
    const OperandFormat& format, std::optional<QuantizedOperand>* taken_apart);

struct ClipGradients {
  at::Tensor x;
  at::Tensor clip;
};
ClipGradients BackwardClipped(const at::Tensor& x, const at::Tensor& clip,
                              const at::Tensor& gradient);

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_LEARNED_SCALE_H_
