#ifndef QUANT_BOTH_WAYS_H_
#define QUANT_BOTH_WAYS_H_

// Two operands of one tensor from one read of it: with blocks along memory and
// with blocks across it, as dy needs them in the two GEMMs of a backward pass.
//
//   BothWays both;
//   both.rows = {recipe, along_positions, options, absl::MakeSpan(wgrad_dy)};
//   both.columns = {other, along_channels, others, absl::MakeSpan(dgrad_dy)};
//   absl::Status status = QuantizeBothWays(dy, both);
//   // What they stand for: wgrad_dy * both.rows.tensor_scale, ...
//
// Each has a recipe, a rounding, random bits and a rotation of its own, and the
// bits that QuantizeOperand (quant/quantizer.h) gives it. The one read: of what
// both need an amax of, and again of the elements.

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/distortion.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

struct OperandOf {
  Recipe recipe;
  BlockGrid grid;
  QuantizeOptions options;
  absl::Span<float> values;  // Written: q * s8, grid.size() of them.

  // Written where it is not null: the same operand as codes and scales.
  PackedTensor* packed = nullptr;
  // Added to where it is not null: pairs of the source, in the rotated basis if
  // the recipe rotates, and of values * tensor_scale, with their codes.
  DistortionStats* statistics = nullptr;

  float tensor_scale = 1.0f;  // Written: as QuantizeOperand returns it.
};

struct BothWays {
  OperandOf rows;
  OperandOf columns;
};

// Reads x once where rows has blocks of 16, 32, 64, 128 or 256 elements without
// gaps along memory, columns has blocks of up to 64 elements across memory,
// whose rows are whole blocks of `rows` and have up to 2^18 elements, and
// neither has given block scales or a rule that compares errors. Everything
// else is read once for each, with the same result.
//
// InvalidArgument as QuantizeOperand, for rows before columns, and where an
// output shares memory with the input or the other output. After an error the
// outputs are undefined and statistics as they were.
absl::Status QuantizeBothWays(absl::Span<const float> x, BothWays& both);

}  // namespace cnn_fp4::quant

#endif  // QUANT_BOTH_WAYS_H_
