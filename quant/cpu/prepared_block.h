#ifndef QUANT_CPU_PREPARED_BLOCK_H_
#define QUANT_CPU_PREPARED_BLOCK_H_

// The elements of one block after the policy for values that are not finite and
// the recipe's Hadamard transform, one by one and without memory of its own:
// for what the kernels do not take. As PrepareBlock of quant/reference.
// Internal to quant/cpu.

#include <cmath>
#include <cstdint>

#include "quant/block_grid.h"
#include "quant/cpu/job.h"
#include "quant/hadamard.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cpu {

// A value as the policy admits it.
inline float Admitted(const Job& job, float x) {
  return job.options.nonfinite == NonFinitePolicy::kSaturate ? Saturate(x) : x;
}

// The transform of 16 values, `stride` apart, admitted before and after it.
inline void TransformGroup(const Job& job, const float* x, int64_t stride,
                           float* group) {
  for (int64_t i = 0; i < kHadamardSize; ++i) {
    group[i] = Admitted(job, x[i * stride]);
  }
  RandomHadamard16(group, job.options.hadamard_signs);
  for (int64_t i = 0; i < kHadamardSize; ++i)
    group[i] = Admitted(job, group[i]);
}

class PreparedBlock {
 public:
  PreparedBlock(const Job& job, const BlockGrid::Block& block)
      : job_(job), block_(block) {}

  int64_t size() const { return block_.rows * block_.cols; }

  // Where element i lies in the tensor.
  int64_t offset(int64_t i) const {
    return block_.offset + i / block_.cols * job_.grid.row_stride() +
           i % block_.cols * job_.grid.col_stride();
  }

  // The index of its random bits.
  uint64_t index(int64_t i) const {
    return job_.options.first_element + offset(i);
  }

  // As it came.
  float source(int64_t i) const { return job_.element(offset(i)); }

  float x(int64_t i) const {
    if (!job_.recipe.hadamard) return Admitted(job_, source(i));
    // Groups lie along the block axis, and blocks are whole groups.
    const int64_t group = i / kHadamardSize;
    if (group != group_) {
      float elements[kHadamardSize];
      for (int64_t j = 0; j < kHadamardSize; ++j) {
        elements[j] = source(group * kHadamardSize + j);
      }
      TransformGroup(job_, elements, 1, transformed_);
      group_ = group;
    }
    return transformed_[i % kHadamardSize];
  }

  // The largest finite |x|, and whether all are finite.
  struct Amax {
    float finite = 0.0f;
    bool all_finite = true;
  };
  Amax FindAmax() const {
    Amax amax;
    for (int64_t i = 0; i < size(); ++i) {
      const float magnitude = std::fabs(x(i));
      if (!std::isfinite(magnitude)) {
        amax.all_finite = false;
      } else if (magnitude > amax.finite) {
        amax.finite = magnitude;
      }
    }
    return amax;
  }

 private:
  const Job& job_;
  const BlockGrid::Block block_;
  mutable int64_t group_ = -1;
  mutable float transformed_[kHadamardSize] = {};
};

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PREPARED_BLOCK_H_
