#include "nn/layers/dequantized_operand.h"

#include <torch/torch.h>

#include "quant/quantizer.h"

namespace cnn_fp4::nn {

namespace {

at::Tensor Rounded(const at::Tensor& t, PlainFormat format) {
  return t
      .to(format == PlainFormat::kFloat16    ? at::kHalf
          : format == PlainFormat::kBfloat16 ? at::kBFloat16
                                             : at::kFloat)
      .to(at::kDouble);
}

// `rows`, contiguous, with the blocks of `grid`, in FP64.
at::Tensor Dequantized(const at::Tensor& rows, const quant::Recipe& recipe,
                       const absl::StatusOr<quant::BlockGrid>& grid) {
  at::Tensor values = at::empty_like(rows);
  const absl::StatusOr<float> scale = quant::QuantizeOperand(
      recipe, *grid,
      {rows.data_ptr<float>(), static_cast<size_t>(rows.numel())},
      {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
  TORCH_CHECK(scale.ok(), scale.status().message());
  return values.to(at::kDouble) * *scale;
}

}  // namespace

at::Tensor DequantizedOperand(const at::Tensor& tensor, Operand operand,
                              const ConvGeometry& geometry,
                              const OperandFormat& format) {
  const at::Tensor t = tensor.detach();
  const quant::Recipe* const recipe = format.recipe();
  if (recipe == nullptr) {
    return Rounded(t, std::get<PlainFormat>(format.format));
  }
  const int64_t groups = geometry.groups;
  if (recipe->block_rows > 1) {
    // Square tiles of both channel axes, at each kernel position by itself.
    const at::Tensor planes = t.unflatten(0, {groups, t.size(0) / groups})
                                  .permute({3, 4, 0, 1, 2})
                                  .contiguous();
    return Dequantized(planes, *recipe,
                       quant::BlockGrid::Tiles(planes.sizes(), 3, 4, *recipe))
        .permute({2, 3, 4, 0, 1})
        .reshape(t.sizes());
  }
  at::Tensor view = t;
  int axis = 3;
  if (format.blocking == Blocking::kFlattened) {
    view = t.flatten();
    axis = 0;
  } else if (format.blocking == Blocking::kReductionAxis) {
    if (operand == Operand::kFpropX || operand == Operand::kDgradDy) {
      view = t.unflatten(1, {groups, t.size(1) / groups});
      axis = 2;
    } else {
      view = t.unflatten(0, {groups, t.size(0) / groups});
      axis = (operand == Operand::kFpropW) == geometry.transposed ? 1 : 2;
    }
  }
  const at::Tensor rows = view.movedim(axis, -1).contiguous();
  return Dequantized(rows, *recipe,
                     quant::BlockGrid::Along(rows.sizes(), -1, *recipe))
      .movedim(-1, axis)
      .contiguous()
      .view(t.sizes());
}

at::Tensor RowsOfGemm(const at::Tensor& tensor, bool unfolded,
                      at::IntArrayRef kernel, const ConvGeometry& geometry) {
  const at::Tensor channels =
      unfolded ? at::im2col(tensor, kernel, geometry.dilation, geometry.padding,
                            geometry.stride)
               : tensor.flatten(2);
  return channels.transpose(0, 1).flatten(1);
}

at::Tensor DequantizedRows(const at::Tensor& tensor, bool unfolded,
                           at::IntArrayRef kernel, const ConvGeometry& geometry,
                           const OperandFormat& format) {
  const at::Tensor matrix =
      RowsOfGemm(tensor.detach(), unfolded, kernel, geometry);
  const quant::Recipe* const recipe = format.recipe();
  if (recipe == nullptr) {
    return Rounded(matrix, std::get<PlainFormat>(format.format));
  }
  const int64_t block = recipe->block_cols;
  const at::Tensor padded =
      at::constant_pad_nd(matrix, {0, (block - matrix.size(1) % block) % block})
          .contiguous();
  return Dequantized(padded, *recipe,
                     quant::BlockGrid::Along(padded.sizes(), 1, *recipe));
}

}  // namespace cnn_fp4::nn
