#ifndef QUANT_PACKED_TENSOR_H_
#define QUANT_PACKED_TENSOR_H_

// PackedTensor: FP4 codes, block scales and tensor scales of one tensor, with
// the recipe and the grid that say what they mean.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "quant/block_grid.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

// A quantised tensor.
struct PackedTensor {
  Recipe recipe;
  BlockGrid grid;
  // Two codes a byte in the order of the tensor's elements, even element in the
  // low nibble; an odd count is padded with a zero nibble.
  std::vector<uint8_t> codes;
  // One a block in the grid's block order: E4M3 or E8M0 bits, or empty for
  // ScaleFormat::kFloat32.
  std::vector<uint8_t> scales;
  std::vector<float> scales_float32;
  // What a stored scale is multiplied by: one, or one a row; {1} for recipes
  // without. Exception: ScaleRule::kCompressedTensors keeps g = 2688/A, and the
  // stored scale is divided by it, as in that library's files.
  std::vector<float> tensor_scales;
};

// The code of element i.
inline uint8_t CodeAt(const PackedTensor& packed, int64_t i) {
  return packed.codes[i / 2] >> (4 * (i % 2)) & 15;
}

// InvalidArgument, naming the part and the expected size, if the sizes do not
// follow from recipe and grid.
absl::Status ValidatePackedTensor(const PackedTensor& packed);

}  // namespace cnn_fp4::quant

#endif  // QUANT_PACKED_TENSOR_H_
