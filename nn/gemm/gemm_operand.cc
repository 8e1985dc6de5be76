#include "nn/gemm/gemm_operand.h"

#include <torch/torch.h>

#include <vector>

#include "glog/logging.h"
#include "nn/gemm/device_operand.h"
#include "nn/gemm/tensor_span.h"
#include "quant/float16.h"
#include "quant/quantizer.h"

namespace cnn_fp4::nn {
namespace {

at::Tensor DenseOnCpu(const at::Tensor& tensor) {
  return tensor.detach().cpu().contiguous();
}

absl::StatusOr<QuantizedOperand> TakeApart(
    const at::Tensor& tensor, const quant::Recipe& recipe,
    const quant::BlockGrid& grid, const quant::QuantizeOptions& options) {
  const at::Tensor source = DenseOnCpu(tensor);
  absl::StatusOr<quant::PackedTensor> packed =
      quant::Quantize(recipe, grid, Values(source), options);
  if (!packed.ok()) return packed.status();
  return QuantizedOperand{source, *std::move(packed)};
}

}  // namespace

absl::StatusOr<quant::BlockGrid> OperandGrid(absl::Span<const int64_t> shape,
                                             Operand operand,
                                             const ConvGeometry& geometry,
                                             const OperandFormat& format) {
  const quant::Recipe& recipe = *format.recipe();
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  switch (format.blocking) {
    case Blocking::kFlattened:
      return quant::BlockGrid::Flat(size, recipe);
    case Blocking::kLastDimension:
      return quant::BlockGrid::Along(shape, -1, recipe);
    case Blocking::kReductionAxis:
      break;
  }
  const int64_t groups = geometry.groups;
  switch (operand) {
    case Operand::kWgradDy:
    case Operand::kWgradX:
      LOG(FATAL) << "MakeWgradOperand quantises along the positions";
    case Operand::kFpropX:
    case Operand::kDgradDy:
      return quant::BlockGrid::Along(
          {shape[0], groups, shape[1] / groups, shape[2], shape[3]}, 2, recipe);
    case Operand::kFpropW:
    case Operand::kDgradW:
      break;
  }
  // Dimension 0 holds all groups, dimension 1 the channels of one.
  const std::vector<int64_t> weight = {groups, shape[0] / groups, shape[1],
                                       shape[2], shape[3]};
  if (recipe.block_rows > 1) {
    // Square tiles over both channel axes serve fprop and dgrad.
    return quant::BlockGrid::Tiles(weight, 1, 2, recipe);
  }
  const bool input_channels = operand == Operand::kFpropW;
  return quant::BlockGrid::Along(
      weight, input_channels == geometry.transposed ? 1 : 2, recipe);
}

at::Tensor PowerOfTwoScale(const at::Tensor& tensor) {
  const auto [smallest, largest] = at::aminmax(tensor.detach());
  // amax = mantissa * 2^exponent, 0.5 <= mantissa < 1; 2688 = 0.65625 * 2^12.
  const auto [mantissa, exponent] =
      at::frexp(at::maximum(largest, smallest.neg()));
  const at::Tensor k =
      (12 - exponent - (mantissa > 0.65625).to(at::kInt)).clamp(-126, 126);
  // By its bits: torch's powers may be off by one unit in the last place.
  return (k + 127).bitwise_left_shift(23).to(at::kInt).view(at::kFloat);
}

absl::StatusOr<GemmOperand> QuantizeOnGrid(
    const at::Tensor& tensor, const OperandFormat& format,
    const quant::BlockGrid& grid, const quant::QuantizeOptions& options,
    std::optional<QuantizedOperand>* taken_apart) {
  const quant::Recipe& recipe = *format.recipe();
  if (format.scaled && tensor.numel() > 0) {
    OperandFormat plain = format;
    plain.scaled = false;
    const at::Tensor power = PowerOfTwoScale(tensor);
    absl::StatusOr<GemmOperand> made = QuantizeOnGrid(
        tensor.detach() * power, plain, grid, options, taken_apart);
    if (made.ok()) made->scale = made->scale / power;
    return made;
  }
  if (taken_apart == nullptr) {
    if (const std::optional<DeviceSide> side = DeviceSideOf(tensor)) {
      return QuantizeOnDevice(*side, tensor, recipe, grid, options);
    }
  }
  at::Tensor values;
  absl::StatusOr<float> scale;
  if (taken_apart != nullptr) {
    absl::StatusOr<QuantizedOperand> quantized =
        TakeApart(tensor, recipe, grid, options);
    if (!quantized.ok()) return quantized.status();
    values = at::empty_like(quantized->source);
    scale = quant::OperandValues(quantized->packed, MutableValues(values));
    *taken_apart = *std::move(quantized);
  } else {
    const at::Tensor source = DenseOnCpu(tensor);
    values = at::empty_like(source);
    scale = quant::QuantizeOperand(recipe, grid, Values(source),
                                   MutableValues(values), options);
  }
  if (!scale.ok()) return scale.status();
  const at::Device device = tensor.device();
  return GemmOperand{
      values.to(device),
      at::scalar_tensor(*scale, at::TensorOptions(at::kFloat).device(device))};
}

absl::StatusOr<GemmOperand> MakeGemmOperand(
    const at::Tensor& tensor, Operand operand, const ConvGeometry& geometry,
    const OperandFormat& format, const quant::QuantizeOptions& options,
    std::optional<QuantizedOperand>* taken_apart) {
  if (taken_apart != nullptr) taken_apart->reset();
  if (format.recipe() == nullptr) {
    return GemmOperand{RoundTo(tensor, std::get<PlainFormat>(format.format)),
                       {}};
  }
  const absl::StatusOr<quant::BlockGrid> grid =
      OperandGrid(tensor.sizes(), operand, geometry, format);
  if (!grid.ok()) return grid.status();
  return QuantizeOnGrid(tensor, format, *grid, options, taken_apart);
}

absl::StatusOr<QuantizedOperand> QuantizeOperandTensor(
    const at::Tensor& tensor, Operand operand, const ConvGeometry& geometry,
    const OperandFormat& format, const quant::QuantizeOptions& options) {
  const absl::StatusOr<quant::BlockGrid> grid =
      OperandGrid(tensor.sizes(), operand, geometry, format);
  if (!grid.ok()) return grid.status();
  return TakeApart(tensor, *format.recipe(), *grid, options);
}

at::Tensor RoundTo(const at::Tensor& tensor, PlainFormat format) {
  if (format == PlainFormat::kFloat32) return tensor;
  if (!tensor.is_cpu()) {
    const at::ScalarType narrow =
        format == PlainFormat::kFloat16 ? at::kHalf : at::kBFloat16;
    return tensor.to(narrow).to(at::kFloat);
  }
  const at::Tensor source = tensor.contiguous();
  at::Tensor rounded = at::empty_like(source);
  if (format == PlainFormat::kFloat16) {
    quant::RoundToHalf(Values(source), MutableValues(rounded));
  } else {
    quant::RoundToBfloat16(Values(source), MutableValues(rounded));
  }
  return rounded;
}

}  // namespace cnn_fp4::nn
