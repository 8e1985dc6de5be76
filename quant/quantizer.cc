#include "quant/quantizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant {
namespace {

absl::Status CheckOutput(absl::Span<const float> x, absl::Span<float> y) {
  if (x.size() == y.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the output has ", y.size(), " elements, the input ", x.size()));
}

}  // namespace

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  return reference::Amax(x);
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options) {
  if (absl::Status status = CheckOutput(x, y); !status.ok()) return status;
  auto result = reference::Quantize(recipe, grid, x, options);
  if (!result.ok()) return result.status();
  std::copy(result->values.begin(), result->values.end(), y.begin());
  return absl::OkStatus();
}

absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options) {
  if (absl::Status status = CheckOutput(x, y); !status.ok()) return status;
  if (recipe.tensor_scale == TensorScale::kPerRow) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe '", recipe.name, "' has a scale for each row, not one"));
  }
  auto result = reference::Quantize(recipe, grid, x, options);
  if (!result.ok()) return result.status();
  std::copy(result->operand.begin(), result->operand.end(), y.begin());
  const float scale = result->packed.tensor_scales[0];
  return recipe.scale_rule == ScaleRule::kCompressedTensors ? 1.0f / scale
                                                            : scale;
}

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      const QuantizeOptions& options) {
  auto result = reference::Quantize(recipe, grid, x, options);
  if (!result.ok()) return result.status();
  return std::move(result->packed);
}

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y) {
  return reference::Dequantize(packed, y);
}

}  // namespace cnn_fp4::quant
