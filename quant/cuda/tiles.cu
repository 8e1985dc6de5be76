// Way::kTiles: a warp for some neighbouring tiles of 16 x 16.

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kManyThreads, 2)
    TilesKernel(const __grid_constant__ QuantizeArgs a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t turns_a_row = TurnsARow<In>(a.grid);
  const int64_t turns = TileTurns<In>(a.grid);
  const int64_t stride = TotalThreads() / kWarp;
  int64_t i = GlobalThread() / kWarp;
  TileTurn turn = TileTurnAt<In>(a.grid, i, turns, turns_a_row);
  using Lanes = DeviceLanes<LaneState<In>, kWarpTileVectors / kWarp>;
  if constexpr (std::is_same<Compiled, StochasticOnly>::value) {
    // Random bits take the registers that the next tiles would.
    while (turn.tiles > 0) {
      Lanes lanes(LaneIndex(), kWarpTileVectors);
      LoadTiles<In>(a, turn, lanes);
      QuantizeTiles<Compiled, In, Out>(a, t, step, turn, lanes);
      i += stride;
      turn = TileTurnAt<In>(a.grid, i, turns, turns_a_row);
    }
    return;
  }
  Lanes lanes(LaneIndex(), kWarpTileVectors);
  LoadTiles<In>(a, turn, lanes);
  while (turn.tiles > 0) {
    i += stride;
    const TileTurn next_turn = TileTurnAt<In>(a.grid, i, turns, turns_a_row);
    Lanes next(LaneIndex(), kWarpTileVectors);
    LoadTiles<In>(a, next_turn, next);
    QuantizeTiles<Compiled, In, Out>(a, t, step, turn, lanes);
    lanes = next;
    turn = next_turn;
  }
}

}  // namespace

const char* LaunchTiles(const QuantizeArgs& args, void* stream) {
  const char* error = nullptr;
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasKernel<In, Out>) {
      error = "no kernel for this rule";
      WithCompiled</*kEvery=*/false>(args, [&](auto compiled) {
        error = LaunchOver<kManyThreads>(
            TilesKernel<decltype(compiled), In, Out>,
            TileTurns<In>(args.grid) * kWarp, args, stream);
      });
    } else {
      error = "no kernel for these element types";
    }
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
