#ifndef NN_LAYERS_DEQUANTIZED_OPERAND_H_
#define NN_LAYERS_DEQUANTIZED_OPERAND_H_

// What an operand of a GEMM stands for, found by another way than nn/gemm: the
// oracle of the tests of the quantised layers.

#include <ATen/core/Tensor.h>

#include "nn/gemm/conv_geometry.h"
#include "nn/precision/conv_precision.h"

namespace cnn_fp4::nn {

// `tensor` as `operand` of fprop or dgrad in `format`, in FP64. The blocks are
// found by moving the axis that the GEMM sums over to the end. Throws
// c10::Error where the quantiser refuses.
at::Tensor DequantizedOperand(const at::Tensor& tensor, Operand operand,
                              const ConvGeometry& geometry,
                              const OperandFormat& format);

// An operand of wgrad as a matrix [rows of the GEMM, K], as it is. `unfolded`:
// im2col is taken of it.
at::Tensor RowsOfGemm(const at::Tensor& tensor, bool unfolded,
                      at::IntArrayRef kernel, const ConvGeometry& geometry);

// The same in `format`, with the blocks of a recipe along K, in FP64, rotated
// where the recipe rotates.
at::Tensor DequantizedRows(const at::Tensor& tensor, bool unfolded,
                           at::IntArrayRef kernel, const ConvGeometry& geometry,
                           const OperandFormat& format);

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_DEQUANTIZED_OPERAND_H_
