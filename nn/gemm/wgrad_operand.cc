#include "nn/gemm/wgrad_operand.h"

#include <torch/torch.h>

#include <vector>

#include "absl/status/status.h"
#include "quant/block_grid.h"

namespace cnn_fp4::nn {
namespace {

using Pair = ConvGeometry::Pair;

bool IsUnfolded(Operand operand, const ConvGeometry& geometry) {
  return operand ==
         (geometry.transposed ? Operand::kWgradDy : Operand::kWgradX);
}

// The recipe of a format whose blocks lie along the positions, or null.
const quant::Recipe* AlongPositions(const OperandFormat* format) {
  return format != nullptr && format->blocking == Blocking::kReductionAxis
             ? format->recipe()
             : nullptr;
}

// Whether no block of `recipe` leaves a run of `length` elements.
bool BlocksFit(const quant::Recipe& recipe, int64_t length) {
  return recipe.block_cols > 0 && length % recipe.block_cols == 0;
}

bool IsPointwise(const WgradPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  return plan.kernel == Pair{1, 1} && g.stride == Pair{1, 1} &&
         g.padding == Pair{0, 0} && g.output_padding == Pair{0, 0};
}

// Whether a plain convolution of `height` rows has the plan's positions and
// reads every row: the amax of a row that none of its sums holds must not
// count.
bool EveryRowIsUsed(const WgradPlan& plan, int64_t height) {
  const ConvGeometry& g = plan.geometry;
  const int64_t rows = plan.positions[0];
  const int64_t reach = g.dilation[0] * (plan.kernel[0] - 1) + 1;
  if ((height + 2 * g.padding[0] - reach) / g.stride[0] + 1 != rows) {
    return false;
  }
  std::vector<bool> used(height, false);
  for (int64_t k = 0; k < plan.kernel[0]; ++k) {
    for (int64_t p = 0; p < rows; ++p) {
      const int64_t h = p * g.stride[0] + k * g.dilation[0] - g.padding[0];
      if (h >= 0 && h < height) used[h] = true;
    }
  }
  for (const bool one : used) {
    if (!one) return false;
  }
  return true;
}

// What kernel row or column `k` sees along `dim` of the padded tensor.
at::Tensor Shifted(const at::Tensor& padded, const WgradPlan& plan, int dim,
                   int64_t k) {
  const int side = dim - 2;
  const int64_t begin = k * plan.geometry.dilation[side];
  const int64_t stride = plan.geometry.stride[side];
  return padded.slice(dim, begin,
                      begin + (plan.positions[side] - 1) * stride + 1, stride);
}

// Without padding the tensor itself, not the copy that constant_pad_nd makes.
at::Tensor Padded(const at::Tensor& tensor, int64_t height, int64_t width) {
  if (height == 0 && width == 0) return tensor;
  return at::constant_pad_nd(tensor, {width, width, height, height});
}

at::Tensor Windows(const at::Tensor& source, const WgradPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  const at::Tensor padded = Padded(source, 0, g.padding[1]);
  std::vector<at::Tensor> windows;
  for (int64_t k = 0; k < plan.kernel[1]; ++k) {
    windows.push_back(Shifted(padded, plan, 3, k)
                          .unflatten(1, {g.groups, source.size(1) / g.groups}));
  }
  return at::stack(windows, 2).flatten(1, 3);
}

at::Tensor Im2col(const at::Tensor& source, const WgradPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  const at::Tensor padded = Padded(source, g.padding[0], g.padding[1]);
  std::vector<at::Tensor> shifted;
  for (int64_t i = 0; i < plan.kernel[0]; ++i) {
    for (int64_t j = 0; j < plan.kernel[1]; ++j) {
      shifted.push_back(Shifted(Shifted(padded, plan, 2, i), plan, 3, j));
    }
  }
  // [N, C, kh * kw, P, Q] to [C * kh * kw, N * P * Q].
  return at::stack(shifted, 2)
      .permute({1, 2, 0, 3, 4})
      .flatten(0, 1)
      .flatten(1);
}

at::Tensor PaddedToBlocks(const at::Tensor& matrix,
                          const quant::Recipe& recipe) {
  const int64_t block = recipe.block_cols;
  const int64_t rest = block == 0 ? 0 : matrix.size(1) % block;
  return rest == 0 ? matrix : at::constant_pad_nd(matrix, {0, block - rest});
}

// Each `length` elements of a dense tensor are cut into blocks of their own.
absl::StatusOr<quant::BlockGrid> GridOfRows(int64_t size, int64_t length,
                                            const quant::Recipe& recipe) {
  return quant::BlockGrid::Along({length == 0 ? 0 : size / length, length}, 1,
                                 recipe);
}

// `rows`, dense, quantised as it lies.
absl::StatusOr<GemmOperand> QuantizeRows(
    const at::Tensor& rows, int64_t length, OperandForm form,
    const OperandFormat& format, const quant::QuantizeOptions& options,
    std::optional<QuantizedOperand>* taken_apart) {
  const absl::StatusOr<quant::BlockGrid> grid =
      GridOfRows(rows.numel(), length, *format.recipe());
  if (!grid.ok()) return grid.status();
  absl::StatusOr<GemmOperand> made =
      QuantizeOnGrid(rows, format, *grid, options, taken_apart);
  if (made.ok()) made->form = form;
  return made;
}

}  // namespace

absl::StatusOr<WgradPlan> PlanWgrad(absl::Span<const int64_t> x,
                                    absl::Span<const int64_t> dy,
                                    ConvGeometry::Pair kernel,
                                    const ConvGeometry& geometry,
                                    const OperandFormat& dy_format,
                                    const OperandFormat* x_format) {
  const bool x_rotated = x_format != nullptr && x_format->rotated();
  if (dy_format.rotated() != x_rotated) {
    return absl::InvalidArgumentError(
        "one operand of wgrad is rotated and the other is not, so the rotation "
        "does not cancel");
  }
  const bool transposed = geometry.transposed;
  const absl::Span<const int64_t> unfolded = transposed ? dy : x;
  const absl::Span<const int64_t> other = transposed ? x : dy;
  WgradPlan plan{geometry, kernel, {other[2], other[3]}};
  const quant::Recipe* const recipe =
      AlongPositions(transposed ? &dy_format : x_format);
  if (recipe == nullptr) return plan;
  const int64_t positions = plan.positions[0] * plan.positions[1];
  if (IsPointwise(plan) && BlocksFit(*recipe, positions)) return plan;
  plan.unfolded = BlocksFit(*recipe, plan.positions[1]) &&
                          !quant::IsStochastic(recipe->rounding) &&
                          EveryRowIsUsed(plan, unfolded[2])
                      ? OperandForm::kWindows
                      : OperandForm::kMatrix;
  return plan;
}

absl::StatusOr<std::optional<quant::BlockGrid>> GridInSource(
    absl::Span<const int64_t> shape, Operand operand, const WgradPlan& plan,
    const OperandFormat& format) {
  const quant::Recipe* const recipe = AlongPositions(&format);
  const int64_t positions = plan.positions[0] * plan.positions[1];
  const bool as_it_lies = !IsUnfolded(operand, plan.geometry) ||
                          plan.unfolded == OperandForm::kTensor;
  if (recipe == nullptr || !as_it_lies || !BlocksFit(*recipe, positions)) {
    return std::nullopt;
  }
  return GridOfRows(shape[0] * shape[1] * positions, positions, *recipe);
}

absl::StatusOr<GemmOperand> MakeWindowsOperand(
    const DeviceSide& side, const at::Tensor& source, const WgradPlan& plan,
    const quant::Recipe& recipe, const quant::QuantizeOptions& options) {
  const ConvGeometry& g = plan.geometry;
  const int64_t height = source.size(2);
  quant::SourceWindow window;
  window.width = source.size(3);
  window.rows = source.size(1) / g.groups * height;
  window.kernel = plan.kernel[1];
  window.positions = plan.positions[1];
  window.stride = g.stride[1];
  window.dilation = g.dilation[1];
  window.padding = g.padding[1];
  absl::StatusOr<GemmOperand> made =
      QuantizeWindowsOnDevice(side, source, window,
                              {source.size(0), plan.kernel[1] * source.size(1),
                               height, window.positions},
                              recipe, options);
  if (made.ok()) made->form = OperandForm::kWindows;
  return made;
}

absl::StatusOr<GemmOperand> MakeWgradOperand(
    const at::Tensor& tensor, Operand operand, const WgradPlan& plan,
    const OperandFormat& format, const quant::QuantizeOptions& options,
    std::optional<QuantizedOperand>* taken_apart) {
  const quant::Recipe* const recipe = AlongPositions(&format);
  if (recipe == nullptr) {
    return MakeGemmOperand(tensor, operand, plan.geometry, format, options,
                           taken_apart);
  }
  if (taken_apart != nullptr) taken_apart->reset();
  const at::Tensor source = tensor.detach();
  const bool unfolded = IsUnfolded(operand, plan.geometry);
  if (unfolded && plan.unfolded == OperandForm::kWindows) {
    const std::optional<DeviceSide> side = DeviceSideOf(source);
    if (side.has_value() && taken_apart == nullptr && !format.scaled) {
      return MakeWindowsOperand(*side, source, plan, *recipe, options);
    }
    return QuantizeRows(Windows(source, plan), plan.positions[1],
                        OperandForm::kWindows, format, options, taken_apart);
  }
  const absl::StatusOr<std::optional<quant::BlockGrid>> grid =
      GridInSource(source.sizes(), operand, plan, format);
  if (!grid.ok()) return grid.status();
  if (grid->has_value()) {
    return QuantizeOnGrid(source, format, **grid, options, taken_apart);
  }
  const bool im2col = unfolded && plan.unfolded == OperandForm::kMatrix;
  const at::Tensor rows =
      im2col ? Im2col(source, plan) : source.transpose(0, 1).flatten(1);
  const at::Tensor matrix = PaddedToBlocks(rows, *recipe);
  absl::StatusOr<GemmOperand> made =
      QuantizeRows(matrix, matrix.size(1), OperandForm::kMatrix, format,
                   options, taken_apart);
  if (!made.ok() || plan.unfolded == OperandForm::kMatrix) return made;
  made->values = made->values.narrow(1, 0, rows.size(1))
                     .view(source.transpose(0, 1).sizes())
                     .transpose(0, 1)
                     .contiguous();
  made->form = OperandForm::kTensor;
  return made;
}

}  // namespace cnn_fp4::nn
