#include "train/operand_rows.h"

#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "nn/gemm/tensor_span.h"
#include "quant/block_grid.h"
#include "quant/hadamard.h"
#include "quant/packed_tensor.h"
#include "quant/random_hadamard.h"

namespace cnn_fp4::train {
namespace {

// Appends `count` elements of `from` that begin at `first`.
template <typename T>
void Append(const std::vector<T>& from, int64_t first, int64_t count,
            std::vector<T>* to) {
  const auto begin = from.begin() + first;
  to->insert(to->end(), begin, begin + count);
}

// Rows of `length` elements each; every `stride`-th is taken.
absl::StatusOr<nn::QuantizedOperand> EveryNthRow(
    const nn::QuantizedOperand& quantized, int64_t stride) {
  const quant::PackedTensor& packed = quantized.packed;
  const int64_t length = packed.grid.cols();
  const int64_t blocks = packed.grid.block_count_cols();
  nn::QuantizedOperand rows{quantized.source.reshape({-1, length})
                                .slice(0, 0, {}, stride)
                                .contiguous(),
                            {}};
  const absl::StatusOr<quant::BlockGrid> grid =
      quant::BlockGrid::Along({rows.source.size(0), length}, 1, packed.recipe);
  if (!grid.ok()) return grid.status();
  quant::PackedTensor& kept = rows.packed;
  kept.recipe = packed.recipe;
  kept.grid = *grid;
  const bool per_row = packed.tensor_scales.size() != 1;
  if (!per_row) kept.tensor_scales = packed.tensor_scales;
  for (int64_t row = 0; row < packed.grid.outer(); row += stride) {
    Append(packed.codes, row * length / 2, length / 2, &kept.codes);
    if (packed.scales.empty()) {
      Append(packed.scales_float32, row * blocks, blocks, &kept.scales_float32);
    } else {
      Append(packed.scales, row * blocks, blocks, &kept.scales);
    }
    if (per_row) Append(packed.tensor_scales, row, 1, &kept.tensor_scales);
  }
  return rows;
}

}  // namespace

absl::StatusOr<nn::QuantizedOperand> OperandRows(
    const nn::QuantizedOperand& quantized, int64_t max_elements) {
  const quant::BlockGrid& grid = quantized.packed.grid;
  const int64_t stride =
      std::max<int64_t>(1, quantized.source.numel() / max_elements);
  const bool in_rows = grid.inner() == 1 && grid.rows() == 1 &&
                       grid.middle() == 1 && grid.cols() % 2 == 0;
  absl::StatusOr<nn::QuantizedOperand> rows = quantized;
  if (in_rows && stride > 1) rows = EveryNthRow(quantized, stride);
  if (!rows.ok() || !quantized.packed.recipe.hadamard) return rows;
  at::Tensor rotated = at::empty_like(rows->source);
  if (absl::Status status = quant::RotateGroups(nn::Values(rows->source),
                                                quant::kDefaultHadamardSigns,
                                                nn::MutableValues(rotated));
      !status.ok()) {
    return status;
  }
  rows->source = rotated;
  return rows;
}

}  // namespace cnn_fp4::train
