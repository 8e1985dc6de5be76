#ifndef QUANT_FLOAT16_H_
#define QUANT_FLOAT16_H_

// Rounding of FP32 values onto the FP16 and BF16 grids, in FP32: what a
// conversion to the narrow type and back gives, at memory speed and without the
// narrow type. Emulated FP16 training rounds operands and results so.
//
//   RoundToHalf(x, absl::MakeSpan(x));  // In place.

#include "absl/types/span.h"

namespace cnn_fp4::quant {

// y = x as IEEE FP16: nearest even, subnormals kept, +-Inf from 65520 on, the
// sign of zero kept; NaN stays NaN. x and y have the same length and may be the
// same memory. On up to omp_get_max_threads() threads.
void RoundToHalf(absl::Span<const float> x, absl::Span<float> y);

// y = x as BF16: nearest even, +-Inf where the nearest BF16 would exceed the
// largest one; NaN stays NaN.
void RoundToBfloat16(absl::Span<const float> x, absl::Span<float> y);

}  // namespace cnn_fp4::quant

#endif  // QUANT_FLOAT16_H_
