#ifndef QUANT_CUDA_COLUMNS_H_
#define QUANT_CUDA_COLUMNS_H_

// The body of Way::kColumns: one thread, several blocks across memory. Host and
// device, as tile.h.

#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/quantize_args.h"
#include "quant/cuda/rounding.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant::cuda {

// kColumns: 1-D blocks across memory. A thread takes kCount neighbours of each
// of a block's elements.

template <int kCount, int kLength>
struct Columns {
  float v[kLength][kCount];
  int64_t first = 0;   // Element of v[0][0].
  int64_t scale = 0;   // Block of v[.][0].
  int64_t length = 0;  // Of the blocks, at most kLength.
};

// Thread `task` of grid.outer * col_blocks * inner / kCount.
template <class In, int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void LoadColumns(const QuantizeArgs& a, int64_t task,
                                            Columns<kCount, kLength>& c) {
  constexpr int kWords = kCount * static_cast<int>(SizeOf(In::kDType)) / 4;
  const Grid& g = a.grid;
  // kCount divides inner.
  const Divisor::Result at = g.by_inner.Divide(task * kCount);
  const int64_t i = at.remainder;
  const int64_t block = at.quotient;  // Over outer and col_blocks.
  const Divisor::Result at_cols = g.by_col_blocks.Divide(block);
  const int64_t begin = at_cols.remainder * g.block_cols;
  c.first = (at_cols.quotient * g.cols + begin) * g.inner + i;
  c.scale = block * g.inner + i;
  c.length = g.cols - begin < g.block_cols ? g.cols - begin : g.block_cols;
  const char* const source =
      static_cast<const char*>(a.x) + c.first * SizeOf(In::kDType);
  Words<kWords> words[kLength];
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    words[j] = {};
    if (j < c.length) {
      words[j] = LoadWords<kWords>(source + j * g.inner * SizeOf(In::kDType));
    }
  }
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    Unpack<In, kWords>(words[j], c.v[j]);
    if (a.saturate) SaturateAll<kCount>(c.v[j]);
  }
  if (!a.hadamard) return;
  CNN_FP4_UNROLL
  for (int group = 0; group < kLength; group += kHadamardSize) {
    CNN_FP4_UNROLL
    for (int k = 0; k < kCount; ++k) {
      float x[kHadamardSize];
      CNN_FP4_UNROLL
      for (int j = 0; j < kHadamardSize; ++j) {
        const float value = c.v[group + j][k];
        x[j] = (a.hadamard_signs >> j & 1) != 0 ? -value : value;
      }
      ButterfliesWithin<kHadamardSize>(x);
      CNN_FP4_UNROLL
      for (int j = 0; j < kHadamardSize; ++j) c.v[group + j][k] = x[j] * 0.25f;
    }
  }
  if (!a.saturate) return;
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) SaturateAll<kCount>(c.v[j]);
}

template <class Compiled, class Out, int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void QuantizeColumns(const QuantizeArgs& a,
                                                const Factors& t, uint64_t step,
                                                Columns<kCount, kLength>& c) {
  BlockScale scales[kCount];
  CNN_FP4_UNROLL
  for (int k = 0; k < kCount; ++k) {
    uint32_t amax = 0;
    CNN_FP4_UNROLL
    for (int j = 0; j < kLength; ++j) amax = LargerMagnitude(amax, c.v[j][k]);
    const BlockFactors f = FactorsOfAmax<Compiled>(a, t, amax);
    StoreScale(a, c.scale + k, f);
    scales[k] = ScaleOf(a, f);
    if (f.stored != f.stored) {
      CNN_FP4_UNROLL
      for (int j = 0; j < kLength; ++j) c.v[j][k] = 0.0f;
    }
  }
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    if (j >= c.length) break;
    QuantizeAndStore<Compiled, Out, kCount, /*kEach=*/true>(
        a, step, c.first + j * a.grid.inner, scales, c.v[j]);
  }
}

template <int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline uint32_t AmaxOfColumns(
    uint32_t amax, const Columns<kCount, kLength>& c) {
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    amax = LargestFinite<kCount>(amax, c.v[j]);
  }
  return amax;
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_COLUMNS_H_
