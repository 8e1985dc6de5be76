#include "quant/cuda/device_args.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cuda {
namespace {

Grid ToGrid(const BlockGrid& grid) {
  Grid g;
  g.outer = grid.outer();
  g.rows = grid.rows();
  g.middle = grid.middle();
  g.cols = grid.cols();
  g.inner = grid.inner();
  g.block_rows = grid.block_rows();
  g.block_cols = grid.block_cols();
  // A grid without elements has no blocks, and none is looked for.
  if (grid.size() > 0) g.Prepare();
  return g;
}

absl::Status CheckWindow(const SourceWindow& w, const BlockGrid& grid) {
  constexpr int64_t kMost = int64_t{1} << 31;
  bool fits = grid.rows() == 1 && grid.middle() == 1 && grid.inner() == 1 &&
              grid.cols() == w.positions && w.padding >= 0 && w.padding < kMost;
  for (const int64_t extent :
       {w.width, w.rows, w.kernel, w.positions, w.stride, w.dilation}) {
    fits = fits && extent > 0 && extent < kMost;
  }
  if (fits && grid.outer() % w.kernel == 0 &&
      grid.outer() / w.kernel % w.rows == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "options.device.window is not that of the grid: see SourceWindow");
}

// Elements that a call reads.
int64_t SourceSize(const QuantizeArgs& a, const DeviceOptions& options) {
  return options.window.has_value()
             ? a.grid.outer / options.window->kernel * options.window->width
             : a.grid.size();
}

// A piece of memory.
struct Range {
  const void* begin = nullptr;
  size_t bytes = 0;
};

Range OutputOf(const DeviceOperand& operand) {
  if (operand.packed.codes != nullptr) {
    return {operand.packed.codes,
            static_cast<size_t>((operand.grid.size() + 1) / 2)};
  }
  return {operand.values.data, static_cast<size_t>(operand.values.size) *
                                   SizeOf(operand.values.dtype)};
}

}  // namespace

absl::StatusOr<QuantizeArgs> MakeArgs(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      const QuantizeOptions& options) {
  absl::Status status =
      CheckQuantizeArguments(recipe, grid, grid.size(), options);
  if (!options.row_amaxes.empty() || !options.block_scales.empty()) {
    status.Update(absl::InvalidArgumentError(
        "options row_amaxes and block_scales are the host's: give device.amax "
        "and device.block_scales"));
  }
  if (options.device.window.has_value()) {
    status.Update(CheckWindow(*options.device.window, grid));
  }
  if (!status.ok()) return status;
  QuantizeArgs a;
  a.grid = ToGrid(grid);
  a.scale_format = recipe.scale_format;
  a.rule = recipe.scale_rule;
  a.rounding = recipe.rounding;
  a.scale_max = recipe.scale_max;
  a.has_tensor_scale = recipe.tensor_scale != TensorScale::kNone;
  a.amax_per_row = recipe.tensor_scale == TensorScale::kPerRow;
  a.saturate = options.nonfinite == NonFinitePolicy::kSaturate;
  a.hadamard = recipe.hadamard;
  a.hadamard_signs = options.hadamard_signs;
  a.key = {options.seed, options.stream};
  a.step = options.step;
  a.step_counter = options.device.step_counter;
  a.first_element = static_cast<uint64_t>(options.first_element);
  a.nonfinite = options.device.nonfinite;
  a.statistics = options.device.statistics;
  a.block_scales = options.device.block_scales;
  if (a.has_tensor_scale) {
    a.amax = options.device.amax;
    a.given_amax = options.tensor_amax.value_or(0.0f);
    a.takes_amax = a.amax == nullptr && !options.tensor_amax.has_value();
  }
  if (options.device.window.has_value()) {
    const SourceWindow& w = *options.device.window;
    a.window.width = w.width;
    a.window.stride = w.stride;
    a.window.dilation = w.dilation;
    a.window.padding = w.padding;
    a.window.by_positions = Divisor(w.positions);
    a.window.by_rows = Divisor(w.rows);
    a.window.by_kernel = Divisor(w.kernel);
  }
  return a;
}

absl::Status SetSource(const TensorView& x, const DeviceOptions& options,
                       QuantizeArgs& a) {
  const int64_t expected = SourceSize(a, options);
  if (x.size != expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the input has ", x.size, " elements, the grid takes ", expected));
  }
  a.x = x.data;
  a.in = x.dtype;
  return absl::OkStatus();
}

absl::Status SetValues(const TensorView& x, const MutableTensorView& y,
                       QuantizeArgs& a) {
  if (y.size != a.grid.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the output has ", y.size, " elements, the grid ", a.grid.size()));
  }
  if (y.size > 0 && x.data == y.data && a.window.width != 0) {
    return absl::InvalidArgumentError("a window cannot be read in place");
  }
  if (y.size > 0 && x.data == y.data && x.dtype != y.dtype) {
    return absl::InvalidArgumentError(
        "in place needs the same type for input and output");
  }
  a.values = y.data;
  a.out = y.dtype;
  return CheckOverlap(x.data, x.size * SizeOf(x.dtype), y.data,
                      y.size * SizeOf(y.dtype));
}

absl::Status SetPacked(const Recipe& recipe, const QuantizedView& view,
                       QuantizeArgs& a) {
  const bool is_float32 = a.scale_format == ScaleFormat::kFloat32;
  if ((is_float32 ? view.scales_float32 == nullptr : view.scales == nullptr) ||
      view.tensor_scales == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe '", recipe.name, "' needs memory for ",
        is_float32 ? "scales_float32" : "scales", " and tensor_scales"));
  }
  const Grid& g = a.grid;
  if (view.swizzled &&
      (is_float32 || g.inner != 1 || g.rows != 1 || g.middle != 1)) {
    return absl::InvalidArgumentError(
        "swizzled scales are those of 1-D blocks along the last axis, a byte "
        "each");
  }
  a.codes = view.codes;
  a.scales = view.scales;
  a.scales_float32 = view.scales_float32;
  a.tensor_scales = view.tensor_scales;
  a.swizzled = view.swizzled;
  return absl::OkStatus();
}

absl::Status CheckApart(const TensorView& x, const DeviceOperand& rows,
                        const DeviceOperand& columns) {
  const Range ranges[] = {
      {x.data, static_cast<size_t>(x.size) * SizeOf(x.dtype)},
      OutputOf(rows),
      OutputOf(columns)};
  absl::Status status;
  for (int i = 0; i < 3; ++i) {
    const Range& a = ranges[i];
    const Range& b = ranges[(i + 1) % 3];
    status.Update(quant::CheckApart(a.begin, a.bytes, b.begin, b.bytes));
  }
  return status;
}

}  // namespace cnn_fp4::quant::cuda
