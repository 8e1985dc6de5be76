#include "quant/cuda/executor_quantizer.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/tile.h"
#include "quant/quantize_checks.h"
#include "quant/scale_swizzle.h"

namespace cnn_fp4::quant::cuda {
namespace {

// Zeroed memory of an executor that lives as long as a call.
class Scratch {
 public:
  explicit Scratch(Executor& executor) : executor_(executor) {}
  ~Scratch() {
    for (void* const memory : memory_) executor_.Free(memory);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // `count` objects to *out.
  template <class T>
  absl::Status Allocate(int64_t count, T** out) {
    absl::StatusOr<void*> memory = executor_.AllocateZeros(count * sizeof(T));
    if (!memory.ok()) return memory.status();
    memory_.push_back(*memory);
    *out = static_cast<T*>(*memory);
    return absl::OkStatus();
  }

 private:
  Executor& executor_;
  std::vector<void*> memory_;
};

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

bool IsAligned(const void* pointer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

bool IsOneDimensional(const Grid& g) { return g.rows == 1 && g.middle == 1; }

// Whether an output's `count` neighbours can be written at once.
bool OutputIsAligned(const QuantizeArgs& a, int64_t count) {
  if (a.values == nullptr)
    return IsAligned(a.codes, std::max<int64_t>(count / 2, 1));
  return IsAligned(a.values, std::min<int64_t>(count * SizeOf(a.out), 16));
}

bool HasRowsKernel(const QuantizeArgs& a) {
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    has = kHasKernel<decltype(in), decltype(out)>;
  });
  return has;
}

// What the kernels that are not compiled for every rule have.
bool IsForTraining(const QuantizeArgs& a) {
  return IsTrainingRule(a.rule) &&
         (a.rounding == Rounding::kNearestEven || IsStochastic(a.rounding));
}

bool HasColumnsKernel(const QuantizeArgs& a) {
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    has = kHasColumnKernel<decltype(in), decltype(out)>;
  });
  return has && IsForTraining(a);
}

int64_t VectorOf(DType type) { return 16 / SizeOf(type); }

absl::Status CheckViews(const BlockGrid& grid, const TensorView& x,
                        const MutableTensorView& y) {
  if (x.size != y.size || x.size != grid.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the input has ", x.size, " elements, the output ", y.size,
                     ", the grid ", grid.size()));
  }
  if (x.size > 0 && x.data == y.data && x.dtype != y.dtype) {
    return absl::InvalidArgumentError(
        "in place needs the same type for input and output");
  }
  return CheckOverlap(x.data, x.size * SizeOf(x.dtype), y.data,
                      y.size * SizeOf(y.dtype));
}

absl::Status CheckOptions(const QuantizeOptions& options) {
  if (options.row_amaxes.empty() && options.block_scales.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "options row_amaxes and block_scales are the host's: give device.amax "
      "and device.block_scales");
}

absl::Status CheckScales(const Recipe& recipe, const QuantizedView& view) {
  const bool is_float32 = recipe.scale_format == ScaleFormat::kFloat32;
  if ((is_float32 ? view.scales_float32 != nullptr : view.scales != nullptr) &&
      view.tensor_scales != nullptr) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "recipe '", recipe.name, "' needs memory for ",
      is_float32 ? "scales_float32" : "scales", " and tensor_scales"));
}

absl::Status CheckSwizzle(const Recipe& recipe, const QuantizeArgs& a) {
  if (!a.swizzled) return absl::OkStatus();
  if (recipe.scale_format != ScaleFormat::kFloat32 && a.grid.inner == 1 &&
      IsOneDimensional(a.grid)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "swizzled scales are those of 1-D blocks along the last axis, a byte "
      "each");
}

// Recipe and options.
void FillRecipe(const Recipe& recipe, const BlockGrid& grid,
                const QuantizeOptions& options, QuantizeArgs& a) {
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
  a.block_scales = options.device.block_scales;
  if (a.has_tensor_scale) {
    a.amax = options.device.amax;
    a.given_amax = options.tensor_amax.value_or(0.0f);
  }
}

Kernel AmaxKernelOf(const QuantizeArgs& a, Way way) {
  if (a.amax_per_row) return Kernel::kAmaxUnits;
  if (!a.hadamard) return Kernel::kAmax;
  if (way == Way::kRows) return Kernel::kAmaxRows;
  return way == Way::kColumns ? Kernel::kAmaxColumns : Kernel::kAmaxUnits;
}

Kernel KernelOf(Way way) {
  switch (way) {
    case Way::kRows:
      return Kernel::kRows;
    case Way::kColumns:
      return Kernel::kColumns;
    default:
      return Kernel::kTiles;
  }
}

absl::Status RunUnits(Executor& executor, Scratch& scratch, QuantizeArgs a) {
  absl::Status status = scratch.Allocate(a.grid.num_blocks(), &a.block_amax);
  if (a.scale_format == ScaleFormat::kFloat32) {
    if (a.scales_float32 == nullptr) {
      status.Update(scratch.Allocate(a.grid.num_blocks(), &a.scales_float32));
    }
  } else if (a.scales == nullptr) {
    status.Update(scratch.Allocate(a.grid.num_blocks(), &a.scales));
  }
  if (a.codes != nullptr) {
    status.Update(scratch.Allocate(a.grid.size(), &a.byte_codes));
  }
  for (const Kernel kernel : {Kernel::kTensorScales, Kernel::kBlockAmaxes,
                              Kernel::kBlockScales, Kernel::kElements}) {
    if (status.ok()) status = executor.Run(kernel, a);
  }
  if (status.ok() && a.codes != nullptr) {
    status = executor.Run(Kernel::kPack, a);
  }
  return status;
}

}  // namespace

Way ChooseWay(const QuantizeArgs& a) {
  const Grid& g = a.grid;
  const bool is_simple = !ComparesErrors(a.rule) && a.block_scales == nullptr &&
                         !a.amax_per_row && g.size() > 0;
  if (!is_simple || !IsAligned(a.x, 16)) return Way::kUnits;
  const int64_t vector = VectorOf(a.in);
  if (IsOneDimensional(g) && g.inner == 1) {
    const int64_t lanes = g.block_cols / vector;
    // Two vectors or more: a lane's neighbours may share a scale.
    const bool fits = g.cols % g.block_cols == 0 &&
                      g.block_cols % vector == 0 && lanes >= 2 &&
                      lanes <= kWarp && (lanes & (lanes - 1)) == 0;
    return fits && OutputIsAligned(a, vector) && HasRowsKernel(a) ? Way::kRows
                                                                  : Way::kUnits;
  }
  if (IsOneDimensional(g)) {
    const int64_t count =
        g.block_cols <= kShortColumn ? kShortColumnCount : kLongColumnCount;
    const bool fits = g.block_cols <= kLongColumn && g.inner % count == 0;
    return fits && OutputIsAligned(a, count) && HasColumnsKernel(a)
               ? Way::kColumns
               : Way::kUnits;
  }
  const bool fits = g.inner == 1 && g.block_rows == kTileSide &&
                    g.block_cols == kTileSide && g.rows % kTileSide == 0 &&
                    g.cols % kTileSide == 0;
  return fits && OutputIsAligned(a, vector) && HasRowsKernel(a) &&
                 IsForTraining(a)
             ? Way::kTiles
             : Way::kUnits;
}

std::string ToString(Way way) {
  switch (way) {
    case Way::kRows:
      return "rows";
    case Way::kColumns:
      return "columns";
    case Way::kTiles:
      return "tiles";
    case Way::kUnits:
      return "units";
  }
  return "?";
}

ExecutorQuantizer::ExecutorQuantizer(Device device, MakeExecutor make_executor)
    : device_(device), make_executor_(std::move(make_executor)) {}

absl::Status ExecutorQuantizer::Run(const Recipe& recipe, const BlockGrid& grid,
                                    const TensorView& x,
                                    const QuantizeOptions& options,
                                    QuantizeArgs a) const {
  absl::Status status = CheckQuantizeArguments(recipe, grid, x.size, options);
  status.Update(CheckOptions(options));
  if (!status.ok()) return status;
  a.x = x.data;
  a.in = x.dtype;
  FillRecipe(recipe, grid, options, a);
  status = CheckSwizzle(recipe, a);
  if (!status.ok()) return status;

  const std::unique_ptr<Executor> executor =
      make_executor_(options.device.stream);
  Scratch scratch(*executor);
  const Way way = ChooseWay(a);
  if (a.swizzled) {
    status = executor->Zero(a.scales,
                            SwizzledSize(a.grid.outer, a.grid.col_blocks()));
  }
  if (status.ok() && a.has_tensor_scale && a.amax == nullptr &&
      !options.tensor_amax.has_value()) {
    status =
        scratch.Allocate(a.amax_per_row ? grid.num_rows() : 1, &a.amax_bits);
    // The bits of a magnitude are those of the float.
    a.amax = reinterpret_cast<const float*>(a.amax_bits);
    if (status.ok() && grid.size() > 0) {
      status = executor->Run(AmaxKernelOf(a, way), a);
    }
  }
  if (!status.ok()) return status;
  if (grid.size() == 0) return executor->Run(Kernel::kTensorScales, a);
  return way == Way::kUnits ? RunUnits(*executor, scratch, a)
                            : executor->Run(KernelOf(way), a);
}

absl::Status ExecutorQuantizer::FakeQuantize(
    const Recipe& recipe, const BlockGrid& grid, const TensorView& x,
    const MutableTensorView& y, const QuantizeOptions& options) const {
  if (absl::Status status = CheckViews(grid, x, y); !status.ok()) return status;
  QuantizeArgs args;
  args.values = y.data;
  args.out = y.dtype;
  return Run(recipe, grid, x, options, args);
}

absl::Status ExecutorQuantizer::QuantizeOperand(
    const Recipe& recipe, const BlockGrid& grid, const TensorView& x,
    const MutableTensorView& y, float* tensor_scale,
    const QuantizeOptions& options) const {
  absl::Status status = CheckViews(grid, x, y);
  status.Update(CheckOneTensorScale(recipe));
  if (!status.ok()) return status;
  QuantizeArgs args;
  args.values = y.data;
  args.out = y.dtype;
  args.operand = true;
  args.tensor_scales = tensor_scale;
  return Run(recipe, grid, x, options, args);
}

absl::Status ExecutorQuantizer::Quantize(const Recipe& recipe,
                                         const BlockGrid& grid,
                                         const TensorView& x,
                                         const QuantizedView& out,
                                         const QuantizeOptions& options) const {
  if (x.device != out.device) {
    return absl::InvalidArgumentError(
        absl::StrCat("the input lies on ", NameOf(x.device), ", the output on ",
                     NameOf(out.device), ": both must lie on one device"));
  }
  if (absl::Status status = CheckScales(recipe, out); !status.ok()) {
    return status;
  }
  QuantizeArgs args;
  args.codes = out.codes;
  args.scales = out.scales;
  args.scales_float32 = out.scales_float32;
  args.tensor_scales = out.tensor_scales;
  args.swizzled = out.swizzled;
  return Run(recipe, grid, x, options, args);
}

absl::Status ExecutorQuantizer::Dequantize(
    const Recipe& recipe, const BlockGrid& grid, const QuantizedView& x,
    const MutableTensorView& y, const QuantizeOptions& options) const {
  absl::Status status = CheckScales(recipe, x);
  if (y.size != grid.size()) {
    status.Update(absl::InvalidArgumentError(absl::StrCat(
        "the output has ", y.size, " elements, the grid ", grid.size())));
  }
  if (!status.ok() || grid.size() == 0) return status;
  QuantizeArgs a;
  FillRecipe(recipe, grid, options, a);
  a.codes = x.codes;
  a.scales = x.scales;
  a.scales_float32 = x.scales_float32;
  a.tensor_scales = x.tensor_scales;
  a.swizzled = x.swizzled;
  a.values = y.data;
  a.out = y.dtype;
  status = CheckSwizzle(recipe, a);
  if (!status.ok()) return status;
  const Grid& g = a.grid;
  const bool in_rows = IsOneDimensional(g) && g.inner == 1 &&
                       g.cols % g.block_cols == 0 && g.block_cols % 8 == 0 &&
                       !a.amax_per_row && IsAligned(a.codes, 4) &&
                       IsAligned(a.values, 16);
  return make_executor_(options.device.stream)
      ->Run(in_rows ? Kernel::kDequantizeRows : Kernel::kDequantizeUnits, a);
}

}  // namespace cnn_fp4::quant::cuda
