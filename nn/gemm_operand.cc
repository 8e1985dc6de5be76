#include "nn/gemm_operand.h"

#include <torch/torch.h>

#include <vector>

#include "nn/gemm_operand_tensor.h"
#include "quant/float16.h"
#include "quant/quantizer.h"

namespace cnn_fp4::nn {
namespace {

// N and C change places, so that the positions of a channel are contiguous.
at::Tensor ChannelsFirst(const at::Tensor& tensor) {
  return tensor.transpose(0, 1).contiguous();
}

absl::StatusOr<GemmOperand> Quantized(const at::Tensor& tensor,
                                      const OperandFormat& format,
                                      ReductionAxis reduction) {
  const absl::StatusOr<quant::BlockGrid> grid =
      OperandGrid(tensor.sizes(), format, reduction);
  if (!grid.ok()) return grid.status();
  const bool positions = format.blocking == Blocking::kReductionAxis &&
                         reduction.axis == ReductionAxis::kPositions;
  const at::Tensor source =
      positions ? ChannelsFirst(tensor.cpu()) : tensor.cpu().contiguous();
  at::Tensor values = at::empty_like(source);
  const absl::StatusOr<float> scale = quant::QuantizeOperand(
      *format.recipe(), *grid,
      absl::MakeConstSpan(source.const_data_ptr<float>(), source.numel()),
      absl::MakeSpan(values.mutable_data_ptr<float>(), values.numel()));
  if (!scale.ok()) return scale.status();
  if (positions) values = ChannelsFirst(values);
  return GemmOperand{values.to(tensor.device()), *scale};
}

}  // namespace

absl::StatusOr<quant::BlockGrid> OperandGrid(absl::Span<const int64_t> shape,
                                             const OperandFormat& format,
                                             ReductionAxis reduction) {
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
  if (reduction.axis == ReductionAxis::kPositions) {
    return quant::BlockGrid::Along({shape[1], size / shape[1]}, 1, recipe);
  }
  if (recipe.block_rows > 1) {
    // Weights: square tiles over both channel axes serve fprop and dgrad.
    return quant::BlockGrid::Tiles(shape, 0, 1, recipe);
  }
  return quant::BlockGrid::Along(shape, reduction.axis, recipe);
}

absl::StatusOr<GemmOperand> MakeGemmOperand(const at::Tensor& tensor,
                                            const OperandFormat& format,
                                            ReductionAxis reduction) {
  if (format.recipe()) return Quantized(tensor, format, reduction);
  return GemmOperand{RoundTo(tensor, std::get<PlainFormat>(format.format)),
                     1.0f};
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
  const auto x =
      absl::MakeConstSpan(source.const_data_ptr<float>(), source.numel());
  const auto y =
      absl::MakeSpan(rounded.mutable_data_ptr<float>(), rounded.numel());
  if (format == PlainFormat::kFloat16) {
    quant::RoundToHalf(x, y);
  } else {
    quant::RoundToBfloat16(x, y);
  }
  return rounded;
}

}  // namespace cnn_fp4::nn
