#ifndef NN_GEMM_WGRAD_OPERAND_H_
#define NN_GEMM_WGRAD_OPERAND_H_

// The operands of wgrad, quantised along the axis that it sums over.
//
// wgrad is the product of dy as [Cout, K] and of im2col(x) as [Cin * kh * kw,
// K], where K counts the positions (n, p, q) of dy in that order, padded with
// zeros to whole blocks; of a transposed convolution x and dy change their
// parts. The operand that im2col is taken of is called unfolded here (torch's
// word), the other one is not. A shift by a kernel position moves one against
// the other, so blocks along the positions of x itself are no operand of this
// GEMM unless the kernel is 1x1, and a rotation along them would not cancel.
//
// The matrix need not be built where a block never leaves a row of dy (its
// width is a multiple of the block) and every row of x is used: row (ci, kh,
// kw) of im2col(x) is then
//
//   window[kw][n, ci, h, q] = x[n, ci, h, q * stride + kw * dilation - padding]
//
// with whole rows shifted by kh. Quantising one window for each kernel column,
// three for a 3x3 kernel, and convolving them with a kernel of kh x 1 gives the
// same sums of the same products. (A GPU's quantiser reads x through the
// windows; on the CPU they are copied.) Elsewhere, and where the unfolded
// operand draws random bits (copies draw bits of their own), the matrix is
// built.
//
// Random bits: an element's index is its position in the source, row-major in
// NCHW, where the quantiser reads the source itself, and its position in the
// padded matrix where that was built.
//
// Limits: a built matrix takes kh * kw times the memory of its source.

#include <optional>

#include "nn/gemm/device_operand.h"
#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {

// How one convolution's wgrad is computed.
struct WgradPlan {
  ConvGeometry geometry;
  ConvGeometry::Pair kernel = {1, 1};     // kh, kw
  ConvGeometry::Pair positions = {0, 0};  // P, Q: those that K counts.
  OperandForm unfolded = OperandForm::kTensor;
};

// `x` and `dy` are shapes; `x_format` is null where the operand of fprop is
// used again. InvalidArgument where one operand is rotated and the other not.
absl::StatusOr<WgradPlan> PlanWgrad(absl::Span<const int64_t> x,
                                    absl::Span<const int64_t> dy,
                                    ConvGeometry::Pair kernel,
                                    const ConvGeometry& geometry,
                                    const OperandFormat& dy_format,
                                    const OperandFormat* x_format);

// Where the blocks of an operand lie that is quantised along the positions as
// its source lies, in the source's shape; nullopt for every other operand.
absl::StatusOr<std::optional<quant::BlockGrid>> GridInSource(
    absl::Span<const int64_t> shape, Operand operand, const WgradPlan& plan,
    const OperandFormat& format);

// `operand` is kWgradX or kWgradDy; else as MakeGemmOperand. Rotated operands
// stay in the rotated basis, where their product is the same.
absl::StatusOr<GemmOperand> MakeWgradOperand(
    const at::Tensor& tensor, Operand operand, const WgradPlan& plan,
    const OperandFormat& format, const quant::QuantizeOptions& options = {},
    std::optional<QuantizedOperand>* taken_apart = nullptr);

// What MakeWgradOperand does on a device for the unfolded operand of a plan
// with windows: `source` is read through them and not copied.
absl::StatusOr<GemmOperand> MakeWindowsOperand(
    const DeviceSide& side, const at::Tensor& source, const WgradPlan& plan,
    const quant::Recipe& recipe, const quant::QuantizeOptions& options);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_WGRAD_OPERAND_H_
