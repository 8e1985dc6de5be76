#ifndef QUANT_CPU_NARROW_PACKED_H_
#define QUANT_CPU_NARROW_PACKED_H_

// FP16 and BF16 tensors to codes and scales.

#include "absl/status/status.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::quant::cpu {

// Whether blocks follow each other in memory and have a kernel of their own.
bool CanPackNarrow(const Recipe& recipe, const BlockGrid& grid,
                   const QuantizeOptions& options);

// QuantizeInto for those, with checked arguments, and the tensor's amax among
// the options where the recipe has a scale of the tensor. By way of FP32 pieces
// that stay in the first-level cache.
absl::Status PackNarrow(const Recipe& recipe, const BlockGrid& grid,
                        const TensorView& x, const QuantizeOptions& options,
                        PackedTensor* out);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_NARROW_PACKED_H_
