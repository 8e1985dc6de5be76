#include "quant/cuda/host_executor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "quant/cuda/both.h"
#include "quant/cuda/columns.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/host_lanes.h"
#include "quant/cuda/tile.h"
#include "quant/cuda/units.h"

namespace cnn_fp4::quant::cuda {
namespace {

template <class F>
void ForEach(int64_t count, const F& f) {
  for (int64_t i = 0; i < count; ++i) f(i);
}

// Calls f(lanes) for each warp, with its rows loaded.
template <class In, class F>
void ForEachWarpOfRows(const QuantizeArgs& a, const F& f) {
  const int64_t count = a.grid.size() / In::kVector;
  for (int64_t first = 0; first < count; first += kWarp) {
    HostLanes<LaneState<In>, kWarp> lanes(first, count);
    if (a.window.width == 0) {
      LoadRows<In, /*kWindow=*/false>(a, lanes);
    } else {
      LoadRows<In, /*kWindow=*/true>(a, lanes);
    }
    f(lanes);
  }
}

void RunRows(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    WithCompiled</*kEvery=*/true>(a, [&](auto compiled) {
      ForEachWarpOfRows<In>(a, [&](auto& lanes) {
        QuantizeRows<decltype(compiled), In, Out>(a, t, a.StepNow(), lanes);
      });
    });
  });
}

template <class In, int kCount, int kLength, class F>
void ForEachColumns(const QuantizeArgs& a, const F& f) {
  ForEach(ColumnTasks<kCount>(a.grid), [&](int64_t task) {
    Columns<kCount, kLength> c;
    LoadColumns<In>(a, task, c);
    RotateColumns(a, c);
    f(c);
  });
}

void RunColumns(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    WithColumnLength(a.grid.block_cols, [&](auto count, auto length) {
      ForEachColumns<decltype(in), decltype(count)::value,
                     decltype(length)::value>(a, [&](auto& c) {
        WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
          NoPairs none;
          QuantizeColumns<decltype(compiled), decltype(out)>(a, t, a.StepNow(),
                                                             c, none);
        });
      });
    });
  });
}

// Calls f(turn) for each row of tiles' turns.
template <class In, class F>
void ForEachTileTurn(const Grid& g, const F& f) {
  const int64_t turns = TileTurns<In>(g);
  ForEach(turns, [&](int64_t i) {
    f(i, TileTurnAt<In>(g, i, turns, TurnsARow<In>(g)));
  });
}

void RunTiles(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
      ForEachTileTurn<In>(a.grid, [&](int64_t, const TileTurn& turn) {
        HostLanes<LaneState<In>, kWarpTileVectors> lanes(0, kWarpTileVectors);
        LoadTiles<In>(a, turn, lanes);
        QuantizeTiles<decltype(compiled), In, Out>(a, t, a.StepNow(), turn,
                                                   lanes);
      });
    });
  });
}

void RunAmax(Kernel kernel, const QuantizeArgs& a) {
  uint32_t amax = 0;
  WithInput(a.in, [&](auto in) {
    using In = decltype(in);
    if (kernel == Kernel::kAmaxRows) {
      ForEachWarpOfRows<In>(
          a, [&](auto& lanes) { amax = AmaxOfRows<In>(a, amax, lanes); });
      return;
    }
    WithColumnLength(a.grid.block_cols, [&](auto count, auto length) {
      ForEachColumns<In, decltype(count)::value, decltype(length)::value>(
          a, [&](const auto& c) { amax = AmaxOfColumns(amax, c); });
    });
  });
  AtomicMax(a.amax_bits, amax);
}

// The ways with statistics: the turns of statistics.cu.

template <class Compiled, class In, class Out>
void RunRowsPairs(const QuantizeArgs& a, const Factors& t) {
  constexpr int kTurn = kWarp * kPairsUnroll;
  ForEach(a.num_pairs, [&](int64_t turn) {
    HostLanes<LaneState<In>, kTurn, LanePairs> lanes(
        turn * kTurn, a.grid.size() / In::kVector);
    LoadRows<In, /*kWindow=*/false>(a, lanes);
    QuantizeRows<Compiled, In, Out>(a, t, a.StepNow(), lanes);
    SumLanes(lanes, &a.pairs[turn]);
  });
}

template <class Compiled, class In, class Out>
void RunColumnsPairs(const QuantizeArgs& a, const Factors& t) {
  WithColumnLength(a.grid.block_cols, [&](auto count, auto length) {
    constexpr int kCount = decltype(count)::value;
    ForEach(a.num_pairs, [&](int64_t turn) {
      HostLanes<Columns<kCount, decltype(length)::value>, kWarp, LanePairs>
          lanes(turn * kWarp, ColumnTasks<kCount>(a.grid));
      QuantizeColumnTurn<Compiled, In, Out>(a, t, a.StepNow(), lanes);
      SumLanes(lanes, &a.pairs[turn]);
    });
  });
}

template <class Compiled, class In, class Out>
void RunTilesPairs(const QuantizeArgs& a, const Factors& t) {
  ForEachTileTurn<In>(a.grid, [&](int64_t i, const TileTurn& turn) {
    HostLanes<LaneState<In>, kWarpTileVectors, LanePairs> lanes(
        0, kWarpTileVectors);
    LoadTiles<In>(a, turn, lanes);
    QuantizeTiles<Compiled, In, Out>(a, t, a.StepNow(), turn, lanes);
    SumLanes(lanes, &a.pairs[i]);
  });
}

void RunUnitsPairs(const QuantizeArgs& a) {
  ForEach(a.num_pairs, [&](int64_t turn) {
    HostLanes<NoState, kWarp, LanePairs> lanes(turn * kWarp, NumUnits(a.grid));
    QuantizeUnitTurn(a, a.StepNow(), lanes);
    SumLanes(lanes, &a.pairs[turn]);
  });
}

void RunPairs(Kernel kernel, const QuantizeArgs& a) {
  if (kernel == Kernel::kElements) return RunUnitsPairs(a);
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
      using Compiled = decltype(compiled);
      if (kernel == Kernel::kRows) RunRowsPairs<Compiled, In, Out>(a, t);
      if (kernel == Kernel::kColumns) RunColumnsPairs<Compiled, In, Out>(a, t);
      if (kernel == Kernel::kTiles) RunTilesPairs<Compiled, In, Out>(a, t);
    });
  });
  StoreTensorScale(a, 0);
}

template <class Compiled, class In, class Out, class Pairs, int kCount,
          int kLength>
void RunBothWays(const QuantizeArgs& rows, const QuantizeArgs& columns) {
  const Factors row_factors = FactorsOf(rows.FactorsOfRow(0));
  const Factors column_factors = FactorsOf(columns.FactorsOfRow(0));
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  for (int64_t first = 0; first < tasks; first += kWarp) {
    HostLanes<BothState<kCount, kLength>, kWarp, Pairs> lanes(first, tasks);
    LoadColumnsOfBoth<In>(columns, lanes);
    QuantizeColumnsOfBoth<Compiled, Out>(columns, column_factors,
                                         columns.StepNow(), lanes);
    if constexpr (Pairs::kWanted) {
      SumLanes(lanes, &columns.pairs[first / kWarp]);
    }
    lanes.ClearPairs();
    QuantizeRowsOfBoth<Compiled, In, Out, kCount>(rows, columns, row_factors,
                                                  rows.StepNow(), lanes);
    if constexpr (Pairs::kWanted) SumLanes(lanes, &rows.pairs[first / kWarp]);
  }
  StoreTensorScale(rows, 0);
  StoreTensorScale(columns, 0);
}

template <class In, int kCount, int kLength>
void RunAmaxBoth(const QuantizeArgs& rows, const QuantizeArgs& columns) {
  uint32_t rows_amax = 0, columns_amax = 0;
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  for (int64_t first = 0; first < tasks; first += kWarp) {
    HostLanes<BothState<kCount, kLength>, kWarp> lanes(first, tasks);
    AmaxOfBoth<In, kCount>(rows, columns, lanes, &rows_amax, &columns_amax);
  }
  if (rows.amax_bits != nullptr) AtomicMax(rows.amax_bits, rows_amax);
  if (columns.amax_bits != nullptr) {
    AtomicMax(columns.amax_bits, columns_amax);
  }
}

bool Quantizes(Kernel kernel) {
  return kernel == Kernel::kRows || kernel == Kernel::kColumns ||
         kernel == Kernel::kTiles || kernel == Kernel::kElements;
}

}  // namespace

absl::Status HostExecutor::Run(Kernel kernel, const QuantizeArgs& a) {
  if (a.pairs != nullptr && Quantizes(kernel)) {
    RunPairs(kernel, a);
    return absl::OkStatus();
  }
  const Grid& g = a.grid;
  NoPairs none;
  switch (kernel) {
    case Kernel::kAmax: {
      uint32_t amax = 0;
      ForEach(g.size(), [&](int64_t i) { amax = LargerOfElement(a, amax, i); });
      AtomicMax(a.amax_bits, amax);
      break;
    }
    case Kernel::kAmaxRows:
    case Kernel::kAmaxColumns:
      RunAmax(kernel, a);
      break;
    case Kernel::kRows:
      RunRows(a);
      StoreTensorScale(a, 0);
      break;
    case Kernel::kColumns:
      RunColumns(a);
      StoreTensorScale(a, 0);
      break;
    case Kernel::kTiles:
      RunTiles(a);
      StoreTensorScale(a, 0);
      break;
    case Kernel::kTensorScales:
      ForEach(a.amax_per_row ? g.outer * g.inner : 1,
              [&](int64_t row) { StoreTensorScale(a, row); });
      break;
    case Kernel::kAmaxUnits:
      ForEach(NumUnits(g), [&](int64_t i) { TakeUnitAmax(a, i); });
      break;
    case Kernel::kBlockAmaxes:
      ForEach(NumUnits(g), [&](int64_t i) { TakeBlockAmax(a, i); });
      break;
    case Kernel::kBlockScales:
      ForEach(g.num_blocks(),
              [&](int64_t i) { ChooseBlockScale(a, a.StepNow(), i); });
      break;
    case Kernel::kElements:
      ForEach(NumUnits(g),
              [&](int64_t i) { QuantizeUnit(a, a.StepNow(), i, none); });
      break;
    case Kernel::kPack:
      ForEach((g.size() + 1) / 2, [&](int64_t i) { PackCodes(a, i); });
      break;
    case Kernel::kSumPairs:
      ForEach(RoundsOf(a.num_pairs), [&](int64_t i) { SumPairs(a, i); });
      break;
    case Kernel::kDequantizeRows:
      WithInput(a.out, [&](auto out) {
        ForEach(g.size() / 8,
                [&](int64_t i) { DequantizeVector<decltype(out)>(a, i); });
      });
      break;
    case Kernel::kDequantizeUnits:
      ForEach(NumUnits(g), [&](int64_t i) { DequantizeUnit(a, i); });
      break;
  }
  return absl::OkStatus();
}

absl::Status HostExecutor::RunBoth(BothKernel kernel, const QuantizeArgs& rows,
                                   const QuantizeArgs& columns) {
  WithTypes(rows, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    WithColumnLength(columns.grid.block_cols, [&](auto count, auto length) {
      constexpr int kCount = decltype(count)::value;
      constexpr int kLength = decltype(length)::value;
      if (kernel == BothKernel::kAmax) {
        return RunAmaxBoth<In, kCount, kLength>(rows, columns);
      }
      WithCompiled</*kEvery=*/false>(rows, [&](auto compiled) {
        using Compiled = decltype(compiled);
        if (rows.pairs != nullptr) {
          RunBothWays<Compiled, In, Out, LanePairs, kCount, kLength>(rows,
                                                                     columns);
        } else {
          RunBothWays<Compiled, In, Out, NoPairs, kCount, kLength>(rows,
                                                                   columns);
        }
      });
    });
  });
  return absl::OkStatus();
}

absl::StatusOr<void*> HostExecutor::AllocateZeros(size_t bytes) {
  return std::calloc(std::max<size_t>(bytes, 1), 1);
}

void HostExecutor::Free(void* memory) { std::free(memory); }

absl::Status HostExecutor::Zero(void* memory, size_t bytes) {
  if (bytes > 0) std::memset(memory, 0, bytes);
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::cuda
