#include "quant/cuda/executor_quantizer.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cuda/device_args.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/pairs.h"
#include "quant/cuda/way.h"
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

Kernel AmaxKernelOf(const QuantizeArgs& a, Way way) {
  if (a.amax_per_row) return Kernel::kAmaxUnits;
  if (!a.hadamard && a.window.width == 0) return Kernel::kAmax;
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

// Memory for the partial sums of a call's statistics, if it asks for any.
absl::Status AllocatePairs(Scratch& scratch, int64_t turns, QuantizeArgs& a) {
  if (a.statistics == nullptr) return absl::OkStatus();
  a.num_pairs = turns;
  int64_t all = turns;
  for (int64_t n = turns; n > kPairsOfRound; all += n) n = RoundsOf(n);
  return scratch.Allocate(all, &a.pairs);
}

// The partial sums to the statistics.
absl::Status SumUpPairs(Executor& executor, QuantizeArgs a) {
  if (a.statistics == nullptr) return absl::OkStatus();
  while (true) {
    a.pair_sums = a.pairs + a.num_pairs;
    absl::Status status = executor.Run(Kernel::kSumPairs, a);
    if (!status.ok() || a.num_pairs <= kPairsOfRound) return status;
    a.pairs = a.pair_sums;
    a.num_pairs = RoundsOf(a.num_pairs);
  }
}

// Memory where a kernel leaves the amax, and the call that reads it there.
absl::Status AllocateAmax(Scratch& scratch, QuantizeArgs& a) {
  if (!a.takes_amax) return absl::OkStatus();
  absl::Status status = scratch.Allocate(
      a.amax_per_row ? a.grid.outer * a.grid.inner : 1, &a.amax_bits);
  // The bits of a magnitude are those of the float.
  a.amax = reinterpret_cast<const float*>(a.amax_bits);
  return status;
}

// The padding of swizzled scales.
absl::Status ZeroSwizzled(Executor& executor, const QuantizeArgs& a) {
  if (!a.swizzled) return absl::OkStatus();
  return executor.Zero(a.scales,
                       SwizzledSize(a.grid.outer, a.grid.col_blocks()));
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

ExecutorQuantizer::ExecutorQuantizer(MakeExecutor make_executor)
    : make_executor_(std::move(make_executor)) {}

absl::Status ExecutorQuantizer::Run(QuantizeArgs a, void* stream) const {
  const std::unique_ptr<Executor> executor = make_executor_(stream);
  Scratch scratch(*executor);
  const Way way = ChooseWay(a);
  absl::Status status = ZeroSwizzled(*executor, a);
  status.Update(AllocateAmax(scratch, a));
  if (!status.ok()) return status;
  if (a.grid.size() == 0) return executor->Run(Kernel::kTensorScales, a);
  if (a.takes_amax) status = executor->Run(AmaxKernelOf(a, way), a);
  status.Update(AllocatePairs(scratch, TurnsOf(a, way), a));
  if (!status.ok()) return status;
  status = way == Way::kUnits ? RunUnits(*executor, scratch, a)
                              : executor->Run(KernelOf(way), a);
  return status.ok() ? SumUpPairs(*executor, a) : status;
}

absl::Status ExecutorQuantizer::RunBoth(QuantizeArgs rows, QuantizeArgs columns,
                                        void* stream) const {
  const std::unique_ptr<Executor> executor = make_executor_(stream);
  Scratch scratch(*executor);
  absl::Status status = ZeroSwizzled(*executor, rows);
  status.Update(AllocateAmax(scratch, rows));
  status.Update(AllocateAmax(scratch, columns));
  // The turns are those of the columns, for both.
  const int64_t turns = TurnsOf(columns, Way::kColumns);
  status.Update(AllocatePairs(scratch, turns, rows));
  status.Update(AllocatePairs(scratch, turns, columns));
  if (status.ok() && (rows.takes_amax || columns.takes_amax)) {
    status = executor->RunBoth(BothKernel::kAmax, rows, columns);
  }
  if (status.ok()) {
    status = executor->RunBoth(BothKernel::kQuantize, rows, columns);
  }
  if (status.ok()) status = SumUpPairs(*executor, rows);
  return status.ok() ? SumUpPairs(*executor, columns) : status;
}

absl::Status ExecutorQuantizer::FakeQuantize(
    const Recipe& recipe, const BlockGrid& grid, const TensorView& x,
    const MutableTensorView& y, const QuantizeOptions& options) const {
  absl::StatusOr<QuantizeArgs> args = MakeArgs(recipe, grid, options);
  if (!args.ok()) return args.status();
  absl::Status status = SetSource(x, options.device, *args);
  status.Update(SetValues(x, y, *args));
  return status.ok() ? Run(*args, options.device.stream) : status;
}

absl::StatusOr<QuantizeArgs> ExecutorQuantizer::OperandArgs(
    const TensorView& x, const DeviceOperand& operand) const {
  absl::StatusOr<QuantizeArgs> args =
      MakeArgs(operand.recipe, operand.grid, operand.options);
  if (!args.ok()) return args;
  absl::Status status = SetSource(x, operand.options.device, *args);
  if (operand.packed.codes != nullptr) {
    status.Update(CheckOneDevice(x.device, operand.packed.device));
    status.Update(SetPacked(operand.recipe, operand.packed, *args));
  } else {
    status.Update(CheckOneTensorScale(operand.recipe));
    status.Update(SetValues(x, operand.values, *args));
    args->operand = true;
    args->tensor_scales = operand.tensor_scale;
  }
  if (!status.ok()) return status;
  return args;
}

absl::Status ExecutorQuantizer::QuantizeOperand(
    const Recipe& recipe, const BlockGrid& grid, const TensorView& x,
    const MutableTensorView& y, float* tensor_scale,
    const QuantizeOptions& options) const {
  const absl::StatusOr<QuantizeArgs> args =
      OperandArgs(x, {recipe, grid, options, y, tensor_scale, {}});
  return args.ok() ? Run(*args, options.device.stream) : args.status();
}

absl::Status ExecutorQuantizer::Quantize(const Recipe& recipe,
                                         const BlockGrid& grid,
                                         const TensorView& x,
                                         const QuantizedView& out,
                                         const QuantizeOptions& options) const {
  const absl::StatusOr<QuantizeArgs> args =
      OperandArgs(x, {recipe, grid, options, {}, nullptr, out});
  return args.ok() ? Run(*args, options.device.stream) : args.status();
}

absl::Status ExecutorQuantizer::QuantizeBothWays(
    const TensorView& x, const DeviceOperand& rows,
    const DeviceOperand& columns) const {
  const absl::StatusOr<QuantizeArgs> row_args = OperandArgs(x, rows);
  const absl::StatusOr<QuantizeArgs> column_args = OperandArgs(x, columns);
  absl::Status status = row_args.status();
  status.Update(column_args.status());
  status.Update(CheckApart(x, rows, columns));
  if (!status.ok()) return status;
  void* const stream = rows.options.device.stream;
  if (FitsBothWays(*row_args, *column_args)) {
    return RunBoth(*row_args, *column_args, stream);
  }
  status = Run(*row_args, stream);
  return status.ok() ? Run(*column_args, stream) : status;
}

absl::Status ExecutorQuantizer::Dequantize(
    const Recipe& recipe, const BlockGrid& grid, const QuantizedView& x,
    const MutableTensorView& y, const QuantizeOptions& options) const {
  if (y.size != grid.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the output has ", y.size, " elements, the grid ", grid.size()));
  }
  absl::StatusOr<QuantizeArgs> args = MakeArgs(recipe, grid, options);
  if (!args.ok()) return args.status();
  absl::Status status = SetPacked(recipe, x, *args);
  if (!status.ok() || grid.size() == 0) return status;
  args->values = y.data;
  args->out = y.dtype;
  const Grid& g = args->grid;
  const bool in_rows = IsOneDimensional(g) && g.inner == 1 &&
                       g.cols % g.block_cols == 0 && g.block_cols % 8 == 0 &&
                       !args->amax_per_row && IsAligned(args->codes, 4) &&
                       IsAligned(args->values, 16);
  return make_executor_(options.device.stream)
      ->Run(in_rows ? Kernel::kDequantizeRows : Kernel::kDequantizeUnits,
            *args);
}

}  // namespace cnn_fp4::quant::cuda
