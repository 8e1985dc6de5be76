#ifndef QUANT_CUDA_ROWS_CUH_
#define QUANT_CUDA_ROWS_CUH_

// How a warp goes through the vectors of a tensor.

#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {

// Calls f(lanes) for a warp's share of the tensor's vectors.
template <class In, int kVectors, Lie kLie = Lie::kApart, bool kWindow = false,
          class F>
__device__ void ForEachChunk(const QuantizeArgs& a, const F& f) {
  const int64_t count = a.grid.size() / In::kVector;
  constexpr int64_t kChunk = kWarp * kVectors;
  const int64_t step = TotalThreads() / kWarp * kChunk;
  int64_t first = GlobalThread() / kWarp * kChunk;
  if (first >= count) return;
  using Lanes = DeviceLanes<LaneState<In>, kVectors, kLie>;
  Lanes lanes(Lanes::FirstOf(first), count);
  LoadRows<In, kWindow>(a, lanes);
  while (true) {
    first += step;
    Lanes next(Lanes::FirstOf(first), count);
    LoadRows<In, kWindow>(a, next);
    f(lanes);
    if (first >= count) return;
    lanes = next;
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_ROWS_CUH_
