#ifndef QUANT_CPU_AMAX_H_
#define QUANT_CPU_AMAX_H_

// Amaxes of tensors and rows, and the tensor factors that follow from them.
// Internal to quant/cpu.

#include <cstdint>

#include "absl/status/status.h"
#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {

// The bits of max |x|, as AmaxBits of kernels.h, on all threads.
uint32_t ParallelAmaxBits(const float* x, int64_t n);

// Index of the first NaN or infinity, or -1.
int64_t FirstNonFinite(const float* x, int64_t n);

// Fills job.tensors and job.params.tensor. InvalidArgument for values that are
// not finite under kRefuse, as far as an amax is needed at all.
absl::Status FindTensorFactors(Job& job);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_AMAX_H_
