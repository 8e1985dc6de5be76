#ifndef NN_GEMM_OPERAND_TENSOR_H_
#define NN_GEMM_OPERAND_TENSOR_H_

// The definition of GemmOperand, for the few files that look inside: it needs
// LibTorch's tensor (3 s a file), which nn/gemm_operand.h avoids.

#include <ATen/core/Tensor.h>

namespace cnn_fp4::nn {

struct GemmOperand {
  at::Tensor values;   // FP32, shape of the source.
  float scale = 1.0f;  // What the operand stands for is values * scale.
};

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_OPERAND_TENSOR_H_
