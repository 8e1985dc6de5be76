#ifndef QUANT_RANDOM_HADAMARD_H_
#define QUANT_RANDOM_HADAMARD_H_

// The random Hadamard transform of quant/hadamard.h on whole tensors, and its
// inverse, which brings back what a recipe with +rht de-quantised: such values
// are in the rotated basis, where a product of two operands does not care.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cnn_fp4::quant {

// y = the transform of each group of 16 contiguous elements. x and y have the
// same size, a multiple of 16 (InvalidArgument otherwise: pad both operands of
// a product), and may be the same memory.
absl::Status RotateGroups(absl::Span<const float> x, uint16_t signs,
                          absl::Span<float> y);

// y = the inverse: exact but for FP32 rounding.
absl::Status UnrotateGroups(absl::Span<const float> x, uint16_t signs,
                            absl::Span<float> y);

}  // namespace cnn_fp4::quant

#endif  // QUANT_RANDOM_HADAMARD_H_
