#ifndef QUANT_CPU_CPU_QUANTIZER_H_
#define QUANT_CPU_CPU_QUANTIZER_H_

// The fast path of quant/quantizer.h: vector kernels for the instruction set of
// this CPU, OpenMP threads. Same contract, same bits as quant/reference,
// whatever the number of threads.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant::cpu {

absl::StatusOr<float> Amax(absl::Span<const float> x);

absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options = {});

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options = {});

absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options = {});

absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, PackedTensor* out,
                          const QuantizeOptions& options = {});

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      const QuantizeOptions& options = {});

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y);

absl::StatusOr<float> OperandValues(const PackedTensor& packed,
                                    absl::Span<float> y);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_CPU_QUANTIZER_H_
