#ifndef QUANT_CUDA_COLUMNS_H_
#define QUANT_CUDA_COLUMNS_H_

// The body of Way::kColumns: one thread, several blocks across memory. Host and
// device, as tile.h.

#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/pairs.h"
#include "quant/cuda/quantize_args.h"
#include "quant/cuda/rounding.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant::cuda {

// kColumns: 1-D blocks across memory. A thread takes kCount neighbours of each
// of a block's elements.

// Where they lie.
struct ColumnPlace {
  int64_t first = 0;   // The first element of the first block.
  int64_t scale = 0;   // The first block; the others follow.
  int64_t length = 0;  // Elements of each block.
};

template <int kCount, int kLength>
struct Columns : ColumnPlace {
  float v[kLength][kCount] = {};
};

// Threads that a tensor's blocks take; kCount divides grid.inner.
template <int kCount>
CNN_FP4_HOST_DEVICE constexpr int64_t ColumnTasks(const Grid& g) {
  return g.outer * g.col_blocks() * (g.inner / kCount);
}

// The blocks of thread `task`.
template <int kCount>
CNN_FP4_HOST_DEVICE constexpr ColumnPlace ColumnPlaceOf(const Grid& g,
                                                        int64_t task) {
  const Divisor::Result at = g.by_inner.Divide(task * kCount);
  const int64_t i = at.remainder;
  const int64_t block = at.quotient;  // Over outer and col_blocks.
  const Divisor::Result at_cols = g.by_col_blocks.Divide(block);
  const int64_t begin = at_cols.remainder * g.block_cols;
  ColumnPlace place;
  place.first = (at_cols.quotient * g.cols + begin) * g.inner + i;
  place.scale = block * g.inner + i;
  place.length = g.cols - begin < g.block_cols ? g.cols - begin : g.block_cols;
  return place;
}

// kCount neighbours from element `offset` on, as they lie.
template <class In, int kCount>
CNN_FP4_HOST_DEVICE inline auto LoadNeighbours(const QuantizeArgs& a,
                                               int64_t offset) {
  constexpr int kWords = kCount * static_cast<int>(SizeOf(In::kDType)) / 4;
  return LoadWords<kWords>(static_cast<const char*>(a.x) +
                           offset * SizeOf(In::kDType));
}

// quant::RandomHadamard16 of the groups along the blocks.
template <int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void RotateColumns(const QuantizeArgs& a,
                                              Columns<kCount, kLength>& c) {
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

// What thread `task` takes, after policy and transform.
template <class In, int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void LoadColumns(const QuantizeArgs& a, int64_t task,
                                            Columns<kCount, kLength>& c) {
  static_cast<ColumnPlace&>(c) = ColumnPlaceOf<kCount>(a.grid, task);
  decltype(LoadNeighbours<In, kCount>(a, 0)) words[kLength];
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    words[j] = {};
    if (j < c.length) {
      words[j] = LoadNeighbours<In, kCount>(a, c.first + j * a.grid.inner);
    }
  }
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    Unpack<In>(words[j], c.v[j]);
    if (a.saturate) SaturateAll<kCount>(c.v[j]);
  }
  RotateColumns(a, c);
}

template <class Compiled, class Out, int kCount, int kLength, class Pairs>
CNN_FP4_HOST_DEVICE inline void QuantizeColumns(const QuantizeArgs& a,
                                                const Factors& t, uint64_t step,
                                                Columns<kCount, kLength>& c,
                                                Pairs& pairs) {
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
        a, step, c.first + j * a.grid.inner, scales, c.v[j], pairs);
  }
}

// The same for the lanes of a warp, a task each: tile.h.
template <class Compiled, class In, class Out, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeColumnTurn(const QuantizeArgs& a,
                                                   const Factors& t,
                                                   uint64_t step,
                                                   Lanes& lanes) {
  lanes.Each([&](int64_t task, auto& c) {
    LoadColumns<In>(a, task, c);
    QuantizeColumns<Compiled, Out>(a, t, step, c, lanes.PairsOf(task));
  });
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
