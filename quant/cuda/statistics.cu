// The ways that quantise with distortion statistics in the same pass: pairs.h.

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kFewThreads)
    RowsPairsKernel(const __grid_constant__ QuantizeArgs a) {
  using Lanes =
      DeviceLanes<LaneState<In>, kPairsUnroll, Lie::kApart, LanePairs>;
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t count = a.grid.size() / In::kVector;
  ForEachTurn(a.num_pairs, [&](int64_t turn) {
    Lanes lanes(Lanes::FirstOf(turn * kWarp * kPairsUnroll), count);
    LoadRows<In, /*kWindow=*/false>(a, lanes);
    QuantizeRows<Compiled, In, Out>(a, t, step, lanes);
    StorePairs(lanes, a, turn);
  });
}

template <class Compiled, class In, class Out, int kCount, int kLength>
__global__ void __launch_bounds__(kFewThreads)
    ColumnsPairsKernel(const __grid_constant__ QuantizeArgs a) {
  using Lanes =
      DeviceLanes<Columns<kCount, kLength>, 1, Lie::kApart, LanePairs>;
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t tasks = ColumnTasks<kCount>(a.grid);
  ForEachTurn(a.num_pairs, [&](int64_t turn) {
    Lanes lanes(Lanes::FirstOf(turn * kWarp), tasks);
    QuantizeColumnTurn<Compiled, In, Out>(a, t, step, lanes);
    StorePairs(lanes, a, turn);
  });
}

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kFewThreads)
    TilesPairsKernel(const __grid_constant__ QuantizeArgs a) {
  using Lanes = DeviceLanes<LaneState<In>, kWarpTileVectors / kWarp,
                            Lie::kApart, LanePairs>;
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t turns_a_row = TurnsARow<In>(a.grid);
  ForEachTurn(a.num_pairs, [&](int64_t i) {
    const TileTurn turn = TileTurnAt<In>(a.grid, i, a.num_pairs, turns_a_row);
    Lanes lanes(LaneIndex(), kWarpTileVectors);
    LoadTiles<In>(a, turn, lanes);
    QuantizeTiles<Compiled, In, Out>(a, t, step, turn, lanes);
    StorePairs(lanes, a, i);
  });
}

__global__ void __launch_bounds__(kFewThreads)
    UnitsPairsKernel(const __grid_constant__ QuantizeArgs a) {
  using Lanes = DeviceLanes<NoState, 1, Lie::kApart, LanePairs>;
  const uint64_t step = a.StepNow();
  const int64_t count = NumUnits(a.grid);
  ForEachTurn(a.num_pairs, [&](int64_t turn) {
    Lanes lanes(Lanes::FirstOf(turn * kWarp), count);
    QuantizeUnitTurn(a, step, lanes);
    StorePairs(lanes, a, turn);
  });
}

const char* LaunchColumnsPairs(const QuantizeArgs& args, void* stream) {
  const char* error = "no kernel for these element types";
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasPairsKernel<In, Out>) {
      WithColumnLength(args.grid.block_cols, [&](auto count, auto length) {
        WithCompiled</*kEvery=*/false>(args, [&](auto compiled) {
          error = LaunchOver<kFewThreads>(
              ColumnsPairsKernel<decltype(compiled), In, Out,
                                 decltype(count)::value,
                                 decltype(length)::value>,
              args.num_pairs * kWarp, args, stream);
        });
      });
    }
  });
  return error;
}

}  // namespace

const char* LaunchPairs(Kernel kernel, const QuantizeArgs& args, void* stream) {
  const int64_t threads = args.num_pairs * kWarp;
  if (kernel == Kernel::kElements) {
    return LaunchOver<kFewThreads>(UnitsPairsKernel, threads, args, stream);
  }
  if (kernel == Kernel::kColumns) return LaunchColumnsPairs(args, stream);
  const char* error = "no kernel for these element types";
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasPairsKernel<In, Out>) {
      WithCompiled</*kEvery=*/false>(args, [&](auto compiled) {
        using Compiled = decltype(compiled);
        error = LaunchOver<kFewThreads>(
            kernel == Kernel::kRows ? RowsPairsKernel<Compiled, In, Out>
                                    : TilesPairsKernel<Compiled, In, Out>,
            threads, args, stream);
      });
    }
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
