#ifndef QUANT_QUANTIZE_CHECKS_H_
#define QUANT_QUANTIZE_CHECKS_H_

// Argument checks that the reference and the fast paths share, so that they
// refuse the same calls with the same words.

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "quant/block_grid.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

// InvalidArgument unless x_size is the grid's, the recipe is valid and fits the
// grid, the options' amaxes and scales are finite, not negative, as many as
// needed and of a recipe that uses them, and the elements' indices for random
// bits are 0 to INT64_MAX.
absl::Status CheckQuantizeArguments(const Recipe& recipe, const BlockGrid& grid,
                                    int64_t x_size,
                                    const QuantizeOptions& options);

// InvalidArgument where an input and an output share memory, unless they are
// the same: same start, same number of bytes. What is written would be read as
// input.
absl::Status CheckOverlap(const void* input, size_t input_bytes,
                          const void* output, size_t output_bytes);

// InvalidArgument where two of what QuantizeBothWays reads and writes share
// memory.
absl::Status CheckApart(const void* a, size_t a_bytes, const void* b,
                        size_t b_bytes);

// InvalidArgument for a recipe with a tensor scale for each row: what a GEMM
// cannot apply after accumulation.
absl::Status CheckOneTensorScale(const Recipe& recipe);

// "element 7 is NaN; ...": what kRefuse says.
absl::Status NonFiniteError(int64_t index, float value);

// The same for a group of 16 whose Hadamard transform overflows FP32; `index`
// is an element of the group.
absl::Status HadamardOverflowError(const BlockGrid& grid, int64_t index);

// kSaturate: NaN -> 0, +-Inf -> +-FLT_MAX.
inline float Saturate(float x) {
  if (std::isnan(x)) return 0.0f;
  if (std::isinf(x)) return std::copysign(3.402823466e+38f, x);
  return x;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_QUANTIZE_CHECKS_H_
