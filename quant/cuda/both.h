#ifndef QUANT_CUDA_BOTH_H_
#define QUANT_CUDA_BOTH_H_

// Two operands of one tensor from one read of its memory: blocks along memory
// ("rows") and blocks across it ("columns"), as wgrad and dgrad need of dy.
// Host and device, as tile.h.
//
// A warp quantises the columns of a turn of Way::kColumns, and then the rows
// that those elements make, which are in the cache: successive lanes hold
// successive neighbours, so that a block along memory is one element's
// neighbours in some of them, and its amax a few exchanges between lanes.

#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/columns.h"
#include "quant/cuda/quantize_args.h"
#include "quant/cuda/rounding.h"
#include "quant/cuda/tile.h"
#include "quant/formats/host_device.h"

namespace cnn_fp4::quant::cuda {

template <int kCount, int kLength>
struct BothState {
  static constexpr int kVector = kCount;
  Columns<kCount, kLength> c;
  // The neighbours of one element of the blocks.
  float v[kCount] = {};
  uint32_t amax = 0;
};

template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void LoadColumnsOfBoth(const QuantizeArgs& columns,
                                                  Lanes& lanes) {
  lanes.Each(
      [&](int64_t task, auto& s) { LoadColumns<In>(columns, task, s.c); });
}

template <class Compiled, class Out, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeColumnsOfBoth(
    const QuantizeArgs& columns, const Factors& t, uint64_t step,
    Lanes& lanes) {
  lanes.Each([&](int64_t task, auto& s) {
    QuantizeColumns<Compiled, Out>(columns, t, step, s.c, lanes.PairsOf(task));
  });
}

// The neighbours of element j of the lanes' blocks, as `rows` quantises them;
// zeros beyond the end of short blocks.
template <class In, int kCount, class Lanes>
CNN_FP4_HOST_DEVICE inline void LoadRowOfBoth(const QuantizeArgs& rows,
                                              int64_t inner, int64_t j,
                                              Lanes& lanes) {
  lanes.Each([&](int64_t, auto& s) {
    decltype(LoadNeighbours<In, kCount>(rows, 0)) words = {};
    if (j < s.c.length) {
      words = LoadNeighbours<In, kCount>(rows, s.c.first + j * inner);
    }
    Unpack<In>(words, s.v);
    if (rows.saturate) SaturateAll<kCount>(s.v);
  });
  if (rows.hadamard) RotateLanes<kCount>(rows, lanes);
}

template <class Compiled, class In, class Out, int kCount, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeRowsOfBoth(const QuantizeArgs& rows,
                                                   const QuantizeArgs& columns,
                                                   const Factors& t,
                                                   uint64_t step,
                                                   Lanes& lanes) {
  const int64_t inner = columns.grid.inner;
  const int block = static_cast<int>(rows.grid.block_cols);
  const int lanes_a_block = block / kCount;
  const int shift = lanes.Log2(block);
  for (int64_t j = 0; j < columns.grid.block_cols; ++j) {
    LoadRowOfBoth<In, kCount>(rows, inner, j, lanes);
    TakeLaneAmaxes<kCount>(lanes);
    lanes.ReduceMax(lanes_a_block);
    lanes.Each([&](int64_t task, auto& s) {
      if (j >= s.c.length) return;
      const BlockFactors f = FactorsOfAmax<Compiled>(rows, t, s.amax);
      const int64_t offset = s.c.first + j * inner;
      if ((task & (lanes_a_block - 1)) == 0) {
        StoreScale(rows, offset >> shift, f);
      }
      ZeroIfNan<kCount>(f, s.v);
      const BlockScale scale = ScaleOf(rows, f);
      QuantizeAndStore<Compiled, Out, kCount, /*kEach=*/false>(
          rows, step, offset, &scale, s.v, lanes.PairsOf(task));
    });
  }
}

// BothKernel::kAmax: the larger of *amax and what the lanes hold, for each of
// the two that asks for it.
template <class In, int kCount, class Lanes>
CNN_FP4_HOST_DEVICE inline void AmaxOfBoth(const QuantizeArgs& rows,
                                           const QuantizeArgs& columns,
                                           Lanes& lanes, uint32_t* rows_amax,
                                           uint32_t* columns_amax) {
  LoadColumnsOfBoth<In>(columns, lanes);
  if (columns.amax_bits != nullptr) {
    lanes.Each([&](int64_t, auto& s) {
      *columns_amax = AmaxOfColumns(*columns_amax, s.c);
    });
  }
  if (rows.amax_bits == nullptr) return;
  for (int64_t j = 0; j < columns.grid.block_cols; ++j) {
    LoadRowOfBoth<In, kCount>(rows, columns.grid.inner, j, lanes);
    lanes.Each([&](int64_t, auto& s) {
      *rows_amax = LargestFinite<kCount>(*rows_amax, s.v);
    });
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_BOTH_H_
