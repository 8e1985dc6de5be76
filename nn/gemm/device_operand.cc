#include "nn/gemm/device_operand.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/torch.h>

namespace cnn_fp4::nn {
namespace {

quant::TensorView View(const at::Tensor& dense) {
  return {quant::DType::kFloat32, dense.const_data_ptr<float>(), dense.numel(),
          quant::Device::kCuda};
}

quant::MutableTensorView MutableView(const at::Tensor& dense) {
  return {quant::DType::kFloat32, dense.mutable_data_ptr<float>(),
          dense.numel(), quant::Device::kCuda};
}

// Memory for an operand of the shape, beside `source`.
GemmOperand Allocate(const at::Tensor& source, at::IntArrayRef shape) {
  return {at::empty(shape, source.options()), at::empty({}, source.options())};
}

absl::StatusOr<GemmOperand> Quantize(const DeviceSide& side,
                                     const at::Tensor& source,
                                     at::IntArrayRef shape,
                                     const quant::Recipe& recipe,
                                     const quant::BlockGrid& grid,
                                     quant::QuantizeOptions options) {
  options.device.stream = side.stream;
  GemmOperand made = Allocate(source, shape);
  const absl::Status status = side.quantizer->QuantizeOperand(
      recipe, grid, View(source), MutableView(made.values),
      made.scale.mutable_data_ptr<float>(), options);
  if (!status.ok()) return status;
  return made;
}

quant::DeviceOperand OperandFor(const DeviceSide& side, const WayOnDevice& way,
                                const GemmOperand& to) {
  quant::DeviceOperand operand;
  operand.recipe = way.recipe;
  operand.grid = way.grid;
  operand.options = way.options;
  operand.options.device.stream = side.stream;
  operand.values = MutableView(to.values);
  operand.tensor_scale = to.scale.mutable_data_ptr<float>();
  return operand;
}

}  // namespace

std::optional<DeviceSide> DeviceSideOf(const at::Tensor& tensor) {
  const quant::DeviceQuantizer* const quantizer =
      quant::FindDeviceQuantizer(quant::Device::kCuda);
  if (!tensor.is_cuda() || quantizer == nullptr) return std::nullopt;
  const c10::impl::VirtualGuardImpl device(tensor.device().type());
  return DeviceSide{quantizer,
                    device.getStream(tensor.device()).native_handle()};
}

absl::StatusOr<GemmOperand> QuantizeOnDevice(
    const DeviceSide& side, const at::Tensor& tensor,
    const quant::Recipe& recipe, const quant::BlockGrid& grid,
    const quant::QuantizeOptions& options) {
  const at::Tensor source = tensor.detach().contiguous();
  return Quantize(side, source, source.sizes(), recipe, grid, options);
}

absl::StatusOr<GemmOperand> QuantizeWindowsOnDevice(
    const DeviceSide& side, const at::Tensor& tensor,
    const quant::SourceWindow& window, at::IntArrayRef shape,
    const quant::Recipe& recipe, const quant::QuantizeOptions& options) {
  const absl::StatusOr<quant::BlockGrid> grid = quant::BlockGrid::Along(
      {c10::multiply_integers(shape.slice(0, shape.size() - 1)), shape.back()},
      1, recipe);
  if (!grid.ok()) return grid.status();
  quant::QuantizeOptions through_window = options;
  through_window.device.window = window;
  return Quantize(side, tensor.detach().contiguous(), shape, recipe, *grid,
                  through_window);
}

absl::StatusOr<BothOnDevice> QuantizeBothOnDevice(const DeviceSide& side,
                                                  const at::Tensor& tensor,
                                                  const WayOnDevice& rows,
                                                  const WayOnDevice& columns) {
  const at::Tensor source = tensor.detach().contiguous();
  BothOnDevice made = {Allocate(source, source.sizes()),
                       Allocate(source, source.sizes())};
  const absl::Status status = side.quantizer->QuantizeBothWays(
      View(source), OperandFor(side, rows, made.rows),
      OperandFor(side, columns, made.columns));
  if (!status.ok()) return status;
  return made;
}

}  // namespace cnn_fp4::nn
