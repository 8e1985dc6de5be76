#ifndef QUANT_REFERENCE_REFERENCE_QUANTIZER_H_
#define QUANT_REFERENCE_REFERENCE_QUANTIZER_H_

// The truth: every recipe, one block after the other, as plainly as it can be
// written. Slow (about 20 M elements/s); everything faster must give its bits.
// Same contract as the functions of quant/quantizer.h.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant::reference {

// Everything that can be asked of one quantisation.
struct Result {
  PackedTensor packed;
  std::vector<float> values;   // FakeQuantize.
  std::vector<float> operand;  // QuantizeOperand: q * stored scale.
};

absl::StatusOr<float> Amax(absl::Span<const float> x);

absl::StatusOr<Result> Quantize(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options = {});

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y);

}  // namespace cnn_fp4::quant::reference

#endif  // QUANT_REFERENCE_REFERENCE_QUANTIZER_H_
