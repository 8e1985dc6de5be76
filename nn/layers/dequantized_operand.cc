#include "nn/layers/dequantized_operand.h"

#include <torch/torch.h>

#include "quant/quantizer.h"

namespace cnn_fp4::nn {

at::Tensor DequantizedOperand(const at::Tensor& tensor, Operand operand,
                              const ConvGeometry& geometry,
                              const OperandFormat& format) {
  const at::Tensor t = tensor.detach();
  const quant::Recipe* const recipe = format.recipe();
  if (recipe == nullptr) {
    const auto plain = std::get<PlainFormat>(format.format);
    return t
        .to(plain == PlainFormat::kFloat16    ? at::kHalf
            : plain == PlainFormat::kBfloat16 ? at::kBFloat16
                                              : at::kFloat)
        .to(at::kDouble);
  }
  const int64_t groups = geometry.groups;
  at::Tensor view = t;
  int axis = 3;
  if (format.blocking == Blocking::kFlattened) {
    view = t.flatten();
    axis = 0;
  } else if (format.blocking == Blocking::kReductionAxis) {
    switch (operand) {
      case Operand::kFpropX:
      case Operand::kDgradDy:
        view = t.unflatten(1, {groups, t.size(1) / groups});
        axis = 2;
        break;
      case Operand::kFpropW:
      case Operand::kDgradW:
        view = t.unflatten(0, {groups, t.size(0) / groups});
        axis = (operand == Operand::kFpropW) == geometry.transposed ? 1 : 2;
        break;
      case Operand::kWgradDy:
      case Operand::kWgradX:
        view = t.transpose(0, 1).flatten(1);
        axis = 1;
        break;
    }
  }
  const at::Tensor rows = view.movedim(axis, -1).contiguous();
  at::Tensor values = at::empty_like(rows);
  const absl::StatusOr<float> scale = quant::QuantizeOperand(
      *recipe, *quant::BlockGrid::Along(rows.sizes(), -1, *recipe),
      {rows.data_ptr<float>(), static_cast<size_t>(rows.numel())},
      {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
  TORCH_CHECK(scale.ok(), scale.status().message());
  const at::Tensor back =
      (values.to(at::kDouble) * *scale).movedim(-1, axis).contiguous();
  if (view.dim() == 2) {  // Operands of wgrad: C, N, H, W flattened.
    return back.view(t.transpose(0, 1).sizes()).transpose(0, 1);
  }
  return back.view(t.sizes());
}

}  // namespace cnn_fp4::nn
