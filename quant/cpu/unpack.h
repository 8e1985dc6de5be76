#ifndef QUANT_CPU_UNPACK_H_
#define QUANT_CPU_UNPACK_H_

// Packed tensors to FP32, on all threads.

#include "absl/types/span.h"
#include "quant/packed_tensor.h"

namespace cnn_fp4::quant::cpu {

// y = the codes times their factors: stored scale times tensor scale, or
// `operand`: the stored scale alone. The tensor is a valid one of y's size.
void Unpack(const PackedTensor& packed, bool operand, absl::Span<float> y);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_UNPACK_H_
