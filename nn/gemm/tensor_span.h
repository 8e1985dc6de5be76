#ifndef NN_GEMM_TENSOR_SPAN_H_
#define NN_GEMM_TENSOR_SPAN_H_

// The elements of a tensor as //quant takes them: without a copy, valid as long
// as the tensor.

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"

namespace cnn_fp4::nn {

// Of an FP32 tensor on the CPU that is contiguous.
inline absl::Span<const float> Values(const at::Tensor& cpu_contiguous) {
  return absl::MakeConstSpan(cpu_contiguous.const_data_ptr<float>(),
                             cpu_contiguous.numel());
}

inline absl::Span<float> MutableValues(at::Tensor& cpu_contiguous) {
  return absl::MakeSpan(cpu_contiguous.mutable_data_ptr<float>(),
                        cpu_contiguous.numel());
}

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_TENSOR_SPAN_H_
