#ifndef QUANT_SCALE_GRADIENT_H_
#define QUANT_SCALE_GRADIENT_H_

// The backward pass of FP4 quantisation with a learnable scale: LSQ, "Learned
// Step Size Quantization", Esser et al. 2020, arXiv:1902.08153.
//
// A row of values x with the scale s becomes y = s * q, where q is x / s
// clipped to [-6, 6] and rounded to E2M1. Rounding is a staircase, whose
// derivative is zero almost everywhere; the function that is differentiated in
// its place takes the rounding error r = q - clip(x / s) for a constant:
//
//   y(x, s) = s * (clip(x / s, -6, 6) + r)
//   dy/dx = 1 where |x / s| <= 6, else 0
//   dy/ds = q - x / s where |x / s| <= 6, else q, which is 6 or -6
//
// Where s itself is rounded, as E4M3 block scales are, the rounded one takes
// its part, and the derivative of that rounding is taken as 1 (the
// straight-through estimator).
//
//   ScaleGradient({x, values, scales, tensor_scale}, dy, dx, dscales);

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cnn_fp4::quant {

// The forward pass. Row i of x has the scale stored_scales[i] * tensor_scale,
// and its elements of `values` are q * stored_scales[i]: an operand of
// QuantizeOperand with one block a row.
struct ScaledRows {
  absl::Span<const float> x;
  absl::Span<const float> values;
  absl::Span<const float> stored_scales;
  float tensor_scale = 1;
};

// How far a scale's gradient may be from the surrogate's, in units of FP32's
// epsilon times the sum of |dy| over the row: x / s, at most 6, has two
// roundings, its own and that of the scale.
inline constexpr double kScaleGradientTolerance = 10;

// From dy, the gradient of the de-quantised rows, those of x and of the scales;
// sums are in FP64, in the order of the elements. dx may be dy. A row whose
// scale is 0 gives zeros. InvalidArgument for sizes that do not fit together.
absl::Status ScaleGradient(const ScaledRows& rows, absl::Span<const float> dy,
                           absl::Span<float> dx, absl::Span<float> dscales);

}  // namespace cnn_fp4::quant

#endif  // QUANT_SCALE_GRADIENT_H_
