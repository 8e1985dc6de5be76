#include "quant/quantizer.h"

#include "quant/cpu/cpu_quantizer.h"
#include "quant/guarded_call.h"

namespace cnn_fp4::quant {

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  return Guarded([&] { return cpu::Amax(x); });
}

absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options) {
  return Guarded([&] { return cpu::ScaleAmax(recipe, grid, x, options); });
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options) {
  return Guarded(
      [&] { return cpu::FakeQuantize(recipe, grid, x, y, options); });
}

absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options) {
  return Guarded(
      [&] { return cpu::QuantizeOperand(recipe, grid, x, y, options); });
}

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      const QuantizeOptions& options) {
  return Guarded([&] { return cpu::Quantize(recipe, grid, x, options); });
}

absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, PackedTensor* out,
                          const QuantizeOptions& options) {
  return Guarded(
      [&] { return cpu::QuantizeInto(recipe, grid, x, out, options); });
}

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y) {
  return Guarded([&] { return cpu::Dequantize(packed, y); });
}

absl::StatusOr<float> OperandValues(const PackedTensor& packed,
                                    absl::Span<float> y) {
  return Guarded([&] { return cpu::OperandValues(packed, y); });
}

}  // namespace cnn_fp4::quant
