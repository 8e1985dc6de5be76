#ifndef QUANT_CPU_BOTH_WAYS_H_
#define QUANT_CPU_BOTH_WAYS_H_

// The fast path of quant/both_ways.h.

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/distortion_sums.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant::cpu {

// One of the two operands of a tensor.
struct Way {
  const Recipe& recipe;
  const BlockGrid& grid;
  const QuantizeOptions& options;
  float* values = nullptr;         // Written: q * s8.
  float tensor_scale = 1.0f;       // Written.
  PackedTensor* packed = nullptr;  // Written; null: not wanted.
  DistortionSums* sums = nullptr;  // Added to; null: not wanted.
};

// Whether one pass over the elements serves both: blocks of 16, 32, ..., 256
// along memory without gaps for `rows`, columns of up to 64 rows for `columns`,
// whose rows are whole blocks of `rows` and not too long for what a thread puts
// by; scales from amaxes, by rules that compare no errors.
bool ServesBothWays(const Way& rows, const Way& columns);

// What the arguments of both would be refused for has been checked, and
// ServesBothWays. The errors of values that are not finite are those of `rows`
// first.
absl::Status QuantizeBothWays(absl::Span<const float> x, Way& rows,
                              Way& columns);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_BOTH_WAYS_H_
