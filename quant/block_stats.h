#ifndef QUANT_BLOCK_STATS_H_
#define QUANT_BLOCK_STATS_H_

// What the blocks of a quantised tensor are like: their scales, and how far the
// magnitudes within a block lie apart.
//
//   absl::StatusOr<BlockStats> stats = ComputeBlockStats(values, packed);
//   LOG(INFO) << stats->dynamic_range_bits << " bits in the mean of the
//   blocks";

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/packed_tensor.h"

namespace cnn_fp4::quant {

// NaN where there is no block to say it of.
struct BlockStats {
  int64_t blocks = 0;
  // What an FP4 value of 1 stands for: block scale times tensor scale. The
  // deviation is that of the population.
  double scale_mean;
  double scale_std;
  double scale_min;
  double scale_max;
  // Mean over the blocks of log2 of the largest over the smallest magnitude
  // that is finite and not zero; blocks without one are left out. E2M1 itself
  // spans log2(6 / 0.5) = 3.58 bits: what a block has beyond becomes zero.
  double dynamic_range_bits;
};

// `x`: the values that were quantised, in the order of the packed elements. One
// pass over memory. InvalidArgument if packed is not valid or x has another
// number of elements.
absl::StatusOr<BlockStats> ComputeBlockStats(absl::Span<const float> x,
                                             const PackedTensor& packed);

// What an FP4 value of 1 stands for at each element, in the order of the packed
// elements: the scale of its block times that of the tensor. InvalidArgument
// as above.
absl::Status ElementScales(const PackedTensor& packed,
                           absl::Span<float> scales);

}  // namespace cnn_fp4::quant

#endif  // QUANT_BLOCK_STATS_H_
