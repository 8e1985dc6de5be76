#ifndef NN_GEMM_OPERAND_H_
#define NN_GEMM_OPERAND_H_

// Turns a tensor into the operand of an emulated low-precision GEMM.
//
// A block-scaled operand is returned as q * s8 (FP4 value times block scale)
// and one FP32 tensor scale beside it. q * s8 has at most 6 significant bits,
// so the products of two operands are exact in FP32, and
//
//   conv(a.values, b.values) * (a.scale * b.scale)
//
// is what hardware with FP4 tensor cores computes, up to the order of its FP32
// accumulation. De-quantising first would round each element once more.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nn/conv_precision.h"
#include "quant/block_grid.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {

// Which GEMM an operand is for, and with it the axis that is summed over.
struct ReductionAxis {
  // Dimension of the tensor; kPositions stands for N, H and W together, in that
  // order, of an NCHW tensor.
  static constexpr int kPositions = -1;
  int axis = 1;
};

struct GemmOperand;

// Where the blocks of `format` lie in a tensor of `shape`. For kPositions the
// grid is that of the tensor permuted to C, N, H, W and seen as C x NHW.
absl::StatusOr<quant::BlockGrid> OperandGrid(absl::Span<const int64_t> shape,
                                             const OperandFormat& format,
                                             ReductionAxis reduction);

// The operand `tensor` (FP32, any device; quantisation itself runs on the CPU)
// in `format`. InvalidArgument, from the quantiser, for NaN or Inf.
absl::StatusOr<GemmOperand> MakeGemmOperand(const at::Tensor& tensor,
                                            const OperandFormat& format,
                                            ReductionAxis reduction);

// `tensor` rounded to `format`, in FP32: nearest even, overflow to infinity.
at::Tensor RoundTo(const at::Tensor& tensor, PlainFormat format);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_OPERAND_H_
