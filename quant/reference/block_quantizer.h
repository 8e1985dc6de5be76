#ifndef QUANT_REFERENCE_BLOCK_QUANTIZER_H_
#define QUANT_REFERENCE_BLOCK_QUANTIZER_H_

// One block, as plainly as it can be written: policy, transform, and the
// definitions of quant/choose_scale.h. The reference is a loop over it.

#include <cstdint>
#include <optional>
#include <vector>

#include "Eigen/Core"
#include "quant/block_grid.h"
#include "quant/philox.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::reference {

using Values = Eigen::ArrayXf;

// The offsets of a block's elements in the tensor, in memory order.
std::vector<int64_t> Offsets(const BlockGrid& grid, const BlockGrid::Block& b);

// The first NaN or infinity, or -1.
int64_t FirstNonFinite(const Values& x);

// Saturates if the policy says so, applies the recipe's Hadamard transform, and
// saturates again what overflowed in it. Other policies leave values as they
// are.
void PrepareBlock(const Recipe& recipe, const QuantizeOptions& options,
                  Values& x);

struct BlockInput {
  const Recipe& recipe;
  const TensorFactors& tensor;
  PhiloxKey key;
  uint64_t step = 0;                 // Of the random bits.
  std::vector<int64_t> offsets;      // For the random bits.
  Values x;                          // Prepared.
  std::optional<float> given_scale;  // QuantizeOptions::block_scales.
  int64_t first_element = 0;         // Added to the offsets.
};

struct BlockOutput {
  BlockFactors factors;
  std::vector<uint8_t> codes;
};

// A block with a NaN or an infinity gets a NaN scale and zero codes.
BlockOutput QuantizeBlock(const BlockInput& input);

}  // namespace cnn_fp4::quant::reference

#endif  // QUANT_REFERENCE_BLOCK_QUANTIZER_H_
