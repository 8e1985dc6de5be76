#include "nn/gemm/gradient_operands.h"

#include <torch/torch.h>

#include "nn/gemm/tensor_span.h"
#include "quant/both_ways.h"

namespace cnn_fp4::nn {
namespace {

quant::OperandOf OperandFor(const GradientFormat& of,
                            const quant::BlockGrid& grid, at::Tensor& values) {
  quant::OperandOf operand;
  operand.recipe = *of.format.recipe();
  operand.grid = grid;
  operand.options = of.options;
  operand.values = MutableValues(values);
  return operand;
}

}  // namespace

absl::StatusOr<std::optional<GradientOperands>> MakeGradientOperands(
    const at::Tensor& dy, const WgradPlan& plan, const GradientFormat& dgrad,
    const GradientFormat& wgrad, bool take_apart) {
  const std::optional<DeviceSide> side = DeviceSideOf(dy);
  if (!dy.is_cpu() && !side.has_value()) return std::nullopt;
  return MakeGradientOperandsOn(side, dy, plan, dgrad, wgrad, take_apart);
}

absl::StatusOr<std::optional<GradientOperands>> MakeGradientOperandsOn(
    const std::optional<DeviceSide>& side, const at::Tensor& dy,
    const WgradPlan& plan, const GradientFormat& dgrad,
    const GradientFormat& wgrad, bool take_apart) {
  if (side.has_value() && take_apart) return std::nullopt;
  if (dgrad.format.recipe() == nullptr || dgrad.format.scaled ||
      wgrad.format.scaled) {
    return std::nullopt;
  }
  const absl::StatusOr<std::optional<quant::BlockGrid>> wgrad_grid =
      GridInSource(dy.sizes(), Operand::kWgradDy, plan, wgrad.format);
  if (!wgrad_grid.ok()) return wgrad_grid.status();
  if (!wgrad_grid->has_value()) return std::nullopt;
  const absl::StatusOr<quant::BlockGrid> dgrad_grid =
      OperandGrid(dy.sizes(), Operand::kDgradDy, plan.geometry, dgrad.format);
  if (!dgrad_grid.ok()) return dgrad_grid.status();

  if (side.has_value()) {
    absl::StatusOr<BothOnDevice> both = QuantizeBothOnDevice(
        *side, dy, {*wgrad.format.recipe(), **wgrad_grid, wgrad.options},
        {*dgrad.format.recipe(), *dgrad_grid, dgrad.options});
    if (!both.ok()) return both.status();
    return GradientOperands{both->columns, both->rows};
  }
  const at::Tensor source = dy.detach().contiguous();
  GradientOperands made{{at::empty_like(source), {}},
                        {at::empty_like(source), {}}};
  quant::BothWays both;
  both.rows = OperandFor(wgrad, **wgrad_grid, made.wgrad.values);
  both.columns = OperandFor(dgrad, *dgrad_grid, made.dgrad.values);
  if (take_apart) {
    made.wgrad_taken_apart = QuantizedOperand{source, {}};
    made.dgrad_taken_apart =
        QuantizedOperand{source, {}, quant::DistortionStats()};
    both.rows.packed = &made.wgrad_taken_apart->packed;
    both.columns.packed = &made.dgrad_taken_apart->packed;
    both.columns.statistics = &*made.dgrad_taken_apart->distortion;
  }
  const absl::Status status = quant::QuantizeBothWays(Values(source), both);
  if (!status.ok()) return status;
  made.wgrad.scale = at::scalar_tensor(both.rows.tensor_scale);
  made.dgrad.scale = at::scalar_tensor(both.columns.tensor_scale);
  return made;
}

}  // namespace cnn_fp4::nn
