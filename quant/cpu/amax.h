#ifndef QUANT_CPU_AMAX_H_
#define QUANT_CPU_AMAX_H_

// Amaxes of tensors and rows, and the tensor factors that follow from them.
// Internal to quant/cpu.

#include <cstdint>

#include "absl/status/status.h"
#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {

// What a pass over elements finds, after policy and transform: the bits of the
// largest finite magnitude, and whether there is one that is not finite under
// kRefuse and kPropagate, or was not under kSaturate.
struct FiniteAmax {
  uint32_t bits = 0;
  bool nonfinite = false;

  void Merge(const FiniteAmax& other) {
    if (other.bits > bits) bits = other.bits;
    nonfinite = nonfinite || other.nonfinite;
  }
};

// Of n contiguous elements; whole groups of 16 if the recipe transforms.
FiniteAmax FindAmax(const Job& job, const float* x, int64_t n);

// Fills job.tensors and job.params.tensor. InvalidArgument for values that are
// not finite under kRefuse, as far as an amax is needed at all.
absl::Status FindTensorFactors(Job& job);

// The same for two jobs over one tensor, whose amax is found once if it is the
// same for both.
absl::Status FindTensorFactorsOfBoth(Job& rows, Job& columns);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_AMAX_H_
