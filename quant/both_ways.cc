#include "quant/both_ways.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/both_ways.h"
#include "quant/guarded_call.h"
#include "quant/quantize_checks.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

cpu::Way WayOf(const OperandOf& operand) {
  return {operand.recipe,        operand.grid, operand.options,
          operand.values.data(), 1.0f,         operand.packed};
}

absl::Status CheckSpansApart(absl::Span<const float> a,
                             absl::Span<const float> b) {
  return quant::CheckApart(a.data(), a.size() * sizeof(float), b.data(),
                           b.size() * sizeof(float));
}

absl::Status Check(absl::Span<const float> x, const OperandOf& operand) {
  if (operand.values.size() != x.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the output has ", operand.values.size(),
                     " elements, the input ", x.size()));
  }
  absl::Status status = CheckSpansApart(x, operand.values);
  status.Update(CheckQuantizeArguments(operand.recipe, operand.grid, x.size(),
                                       operand.options));
  status.Update(CheckOneTensorScale(operand.recipe));
  return status;
}

// Of the transform of each group of 16 along the block axis.
std::vector<float> Rotated(absl::Span<const float> x, const OperandOf& of) {
  const BlockGrid& grid = of.grid;
  std::vector<float> y(x.size());
  float group[kHadamardSize];
  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const BlockGrid::Block block = grid.block(b);
    for (int64_t c = 0; c < block.cols; c += kHadamardSize) {
      const int64_t at = block.offset + c * grid.col_stride();
      for (int64_t i = 0; i < kHadamardSize; ++i) {
        group[i] = x[at + i * grid.col_stride()];
      }
      RandomHadamard16(group, of.options.hadamard_signs);
      for (int64_t i = 0; i < kHadamardSize; ++i) {
        y[at + i * grid.col_stride()] = group[i];
      }
    }
  }
  return y;
}

// One of the two by itself.
absl::Status QuantizeAlone(absl::Span<const float> x, OperandOf& operand,
                           DistortionStats& statistics) {
  if (operand.packed == nullptr && operand.statistics == nullptr) {
    const absl::StatusOr<float> scale = QuantizeOperand(
        operand.recipe, operand.grid, x, operand.values, operand.options);
    if (scale.ok()) operand.tensor_scale = *scale;
    return scale.status();
  }
  PackedTensor own;
  PackedTensor& packed = operand.packed == nullptr ? own : *operand.packed;
  absl::Status status =
      QuantizeInto(operand.recipe, operand.grid, x, &packed, operand.options);
  if (!status.ok()) return status;
  const absl::StatusOr<float> scale = OperandValues(packed, operand.values);
  if (!scale.ok()) return scale.status();
  operand.tensor_scale = *scale;
  if (operand.statistics == nullptr) return status;
  std::vector<float> y(operand.values.begin(), operand.values.end());
  std::vector<uint8_t> codes(y.size());
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] *= *scale;
    codes[i] = CodeAt(packed, static_cast<int64_t>(i));
  }
  return operand.recipe.hadamard ? statistics.Add(Rotated(x, operand), y, codes)
                                 : statistics.Add(x, y, codes);
}

absl::Status Run(absl::Span<const float> x, BothWays& both) {
  OperandOf& rows = both.rows;
  OperandOf& columns = both.columns;
  absl::Status status = Check(x, rows);
  status.Update(Check(x, columns));
  status.Update(CheckSpansApart(rows.values, columns.values));
  if (!status.ok()) return status;

  DistortionStats row_statistics, column_statistics;
  cpu::Way row_way = WayOf(rows), column_way = WayOf(columns);
  if (cpu::ServesBothWays(row_way, column_way)) {
    DistortionSums row_sums, column_sums;
    if (rows.statistics != nullptr) row_way.sums = &row_sums;
    if (columns.statistics != nullptr) column_way.sums = &column_sums;
    status = cpu::QuantizeBothWays(x, row_way, column_way);
    rows.tensor_scale = row_way.tensor_scale;
    columns.tensor_scale = column_way.tensor_scale;
    row_statistics = DistortionStats(row_sums);
    column_statistics = DistortionStats(column_sums);
  } else {
    status = QuantizeAlone(x, rows, row_statistics);
    if (status.ok()) status = QuantizeAlone(x, columns, column_statistics);
  }
  if (!status.ok()) return status;
  if (rows.statistics != nullptr) rows.statistics->Merge(row_statistics);
  if (columns.statistics != nullptr) {
    columns.statistics->Merge(column_statistics);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status QuantizeBothWays(absl::Span<const float> x, BothWays& both) {
  return Guarded([&] { return Run(x, both); });
}

}  // namespace cnn_fp4::quant
