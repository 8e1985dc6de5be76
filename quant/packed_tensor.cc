#include "quant/packed_tensor.h"

#include "absl/strings/str_cat.h"

namespace cnn_fp4::quant {
namespace {

absl::Status CheckCount(const char* part, int64_t count, int64_t expected) {
  if (count == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("packed tensor: ", part, " has ", count,
                   " entries, recipe and grid need ", expected));
}

}  // namespace

absl::Status ValidatePackedTensor(const PackedTensor& packed) {
  if (absl::Status status = ValidateRecipe(packed.recipe); !status.ok()) {
    return status;
  }
  const int64_t size = packed.grid.size();
  const int64_t blocks = packed.grid.num_blocks();
  const bool is_float = packed.recipe.scale_format == ScaleFormat::kFloat32;
  const bool per_row = packed.recipe.tensor_scale == TensorScale::kPerRow;
  if (per_row && (packed.grid.rows() != 1 || packed.grid.middle() != 1)) {
    return absl::InvalidArgumentError(
        "packed tensor: a scale for each row needs a grid of 1-D blocks");
  }
  absl::Status status =
      CheckCount("codes", packed.codes.size(), size / 2 + size % 2);
  status.Update(
      CheckCount("scales", packed.scales.size(), is_float ? 0 : blocks));
  status.Update(CheckCount("scales_float32", packed.scales_float32.size(),
                           is_float ? blocks : 0));
  status.Update(CheckCount("tensor_scales", packed.tensor_scales.size(),
                           per_row ? packed.grid.num_rows() : 1));
  return status;
}

}  // namespace cnn_fp4::quant
