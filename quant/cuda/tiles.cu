// Way::kTiles: a warp for a tile of 16 x 16, or two.

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kThreads)
    TilesKernel(const __grid_constant__ QuantizeArgs a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t tiles = a.grid.num_blocks();
  const int64_t stride = TotalThreads() / kWarp * kWarpTiles<In>;
  int64_t tile = GlobalThread() / kWarp * kWarpTiles<In>;
  if (tile >= tiles) return;
  using Lanes = DeviceLanes<In, kLaneTileVectors>;
  const auto lanes_at = [&](int64_t first) {
    const int64_t left = tiles - first;
    return Lanes(
        LaneIndex(),
        (left < kWarpTiles<In> ? left : kWarpTiles<In>)*kTileVectors<In>);
  };
  Lanes lanes = lanes_at(tile);
  WarpTiles<In> at;
  LoadTiles<In>(a, tile, at, lanes);
  while (true) {
    tile += stride;
    Lanes next = lanes_at(tile);
    WarpTiles<In> next_at;
    LoadTiles<In>(a, tile, next_at, next);
    QuantizeTiles<Compiled, In, Out>(a, t, step, at, lanes);
    if (tile >= tiles) return;
    lanes = next;
    at = next_at;
  }
}

}  // namespace

const char* LaunchTiles(const QuantizeArgs& args, void* stream) {
  const char* error = nullptr;
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasKernel<In, Out>) {
      WithCompiled</*kEvery=*/true>(args, [&](auto compiled) {
        error = LaunchOver(TilesKernel<decltype(compiled), In, Out>,
                           args.grid.num_blocks() * kWarp / kWarpTiles<In>,
                           args, stream);
      });
    } else {
      error = "no kernel for these element types";
    }
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
