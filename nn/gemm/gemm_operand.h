#ifndef NN_GEMM_GEMM_OPERAND_H_
#define NN_GEMM_GEMM_OPERAND_H_

// Turns a tensor into the operand of an emulated low-precision GEMM.
//
// A block-scaled operand is q * s8 (FP4 value times block scale) with one FP32
// tensor scale beside it. q * s8 has at most 6 significant bits, so the
// products of two operands are exact in FP32, and
//
//   conv(a.values, b.values) * (a.scale * b.scale)
//
// is what hardware with FP4 tensor cores computes, up to the order of its FP32
// accumulation. De-quantising first would round each element once more.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nn/gemm/conv_geometry.h"
#include "nn/precision/conv_precision.h"
#include "quant/block_grid.h"
#include "quant/distortion.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"

namespace cnn_fp4::nn {

// How the values of an operand lie. Operands of wgrad that are quantised along
// the positions may have another shape than their source (wgrad_operand.h).
enum class OperandForm {
  kTensor,   // The shape of the source.
  kWindows,  // [N, groups * kw * C / groups, H, Q]: one copy a kernel column.
  kMatrix,   // [channels or channels * kh * kw, K]: a row of the GEMM each.
};

struct GemmOperand {
  at::Tensor values;  // FP32, device of the source.
  // FP32, 0-d, on the same device: what the operand stands for is
  // values * scale. Undefined: 1.
  at::Tensor scale;
  OperandForm form = OperandForm::kTensor;
};

// A quantised operand, taken apart: for those who look at what was multiplied.
struct QuantizedOperand {
  // The source in the order of the packed elements, on the CPU: as it was, or,
  // for operands of wgrad, windows or a matrix; of a scaled format multiplied
  // by PowerOfTwoScale.
  at::Tensor source;
  quant::PackedTensor packed;
  // What quantising did to the source, where the pass that did it counted it.
  std::optional<quant::DistortionStats> distortion = {};
};

// Where the blocks of `format`, a recipe, lie in the operand: for
// kReductionAxis along the axis that the GEMM of fprop or dgrad sums over: the
// channels within a group; 2-D tiles lie over both channel axes. Not for
// operands of wgrad along their reduction axis, which is none of the tensor's
// (wgrad_operand.h).
absl::StatusOr<quant::BlockGrid> OperandGrid(absl::Span<const int64_t> shape,
                                             Operand operand,
                                             const ConvGeometry& geometry,
                                             const OperandFormat& format);

// 2^k (FP32, 0-d, device of `tensor`) by which a scaled operand is multiplied
// before it is quantised: the one that brings the amax of `tensor` (FP32, with
// elements) into (1344, 2688]. 2688 = 6 * 448 is the largest value of NVFP4
// without a tensor scale. -126 <= k <= 126. Any power of two for a tensor of
// zeros or one that is not finite. Nothing waits for a device.
at::Tensor PowerOfTwoScale(const at::Tensor& tensor);

// `tensor` (FP32, any device), taken as dense and row-major, in the recipe of
// `format` with the blocks of `grid`: what the operands of all three GEMMs are
// made by. With `taken_apart` the quantised operand is returned there, too,
// from the same one quantisation: the multiplied one, where the format is
// scaled. A CUDA tensor is quantised where it lies, without a copy to the host,
// where //quant/cuda is linked and nothing is taken apart, else on the CPU.
// Errors: the quantiser's. On a device a NaN or an infinity is none: it
// propagates.
absl::StatusOr<GemmOperand> QuantizeOnGrid(
    const at::Tensor& tensor, const OperandFormat& format,
    const quant::BlockGrid& grid, const quant::QuantizeOptions& options,
    std::optional<QuantizedOperand>* taken_apart);

// `tensor` (FP32, any device) as `operand` in `format`. With `taken_apart`, a
// quantised operand is returned there, too, from the same one quantisation; it
// is reset for a plain format. InvalidArgument, from the quantiser, for NaN or
// Inf in the source on the CPU.
absl::StatusOr<GemmOperand> MakeGemmOperand(
    const at::Tensor& tensor, Operand operand, const ConvGeometry& geometry,
    const OperandFormat& format, const quant::QuantizeOptions& options = {},
    std::optional<QuantizedOperand>* taken_apart = nullptr);

// The quantisation of `tensor` as `operand`, with nothing multiplied: what
// MakeGemmOperand would take apart.
absl::StatusOr<QuantizedOperand> QuantizeOperandTensor(
    const at::Tensor& tensor, Operand operand, const ConvGeometry& geometry,
    const OperandFormat& format, const quant::QuantizeOptions& options = {});

// `tensor` rounded to `format`, in FP32: nearest even, overflow to infinity.
// Normal numbers move by kRoundToTolerance epsilons of the format at most.
inline constexpr double kRoundToTolerance = 0.5;
at::Tensor RoundTo(const at::Tensor& tensor, PlainFormat format);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_GEMM_OPERAND_H_
