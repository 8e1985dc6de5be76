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

// Calls f(pairs) with what the lanes are to hold.
template <class F>
void WithPairs(const QuantizeArgs& a, const F& f) {
  if (a.pairs != nullptr) {
    f(LanePairs());
  } else {
    f(NoPairs());
  }
}

// The sums of a turn, where they are wanted.
template <class Pairs, class Lanes>
void StorePairs(Lanes& lanes, const QuantizeArgs& a, int64_t turn) {
  if constexpr (Pairs::kWanted) SumLanes(lanes, &a.pairs[turn]);
}

// Calls f(lanes, turn) for each turn of statistics.cu, with its rows loaded.
template <class In, class Pairs, class F>
void ForEachTurnOfRows(const QuantizeArgs& a, const F& f) {
  constexpr int kTurn = kWarp * kPairsUnroll;
  ForEach(TurnsOf(a, Way::kRows), [&](int64_t turn) {
    HostLanes<LaneState<In>, kTurn, Pairs> lanes(turn * kTurn,
                                                 a.grid.size() / In::kVector);
    if (a.window.width == 0) {
      LoadRows<In, /*kWindow=*/false>(a, lanes);
    } else {
      LoadRows<In, /*kWindow=*/true>(a, lanes);
    }
    f(lanes, turn);
  });
}

void RunRows(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    WithCompiled</*kEvery=*/true>(a, [&](auto compiled) {
      WithPairs(a, [&](auto pairs) {
        using Pairs = decltype(pairs);
        ForEachTurnOfRows<In, Pairs>(a, [&](auto& lanes, int64_t turn) {
          QuantizeRows<decltype(compiled), In, Out>(a, t, a.StepNow(), lanes);
          StorePairs<Pairs>(lanes, a, turn);
        });
      });
    });
  });
}

void RunColumns(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    WithColumnLength(a.grid.block_cols, [&](auto count, auto length) {
      constexpr int kCount = decltype(count)::value;
      constexpr int kLength = decltype(length)::value;
      WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
        WithPairs(a, [&](auto pairs) {
          using Pairs = decltype(pairs);
          ForEach(TurnsOf(a, Way::kColumns), [&](int64_t turn) {
            HostLanes<Columns<kCount, kLength>, kWarp, Pairs> lanes(
                turn * kWarp, ColumnTasks<kCount>(a.grid));
            QuantizeColumnTurn<decltype(compiled), decltype(in), decltype(out)>(
                a, t, a.StepNow(), lanes);
            StorePairs<Pairs>(lanes, a, turn);
          });
        });
      });
    });
  });
}

void RunTiles(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    const int64_t turns = TileTurns<In>(a.grid);
    WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
      WithPairs(a, [&](auto pairs) {
        using Pairs = decltype(pairs);
        ForEach(turns, [&](int64_t i) {
          const TileTurn turn =
              TileTurnAt<In>(a.grid, i, turns, TurnsARow<In>(a.grid));
          HostLanes<LaneState<In>, kWarpTileVectors, Pairs> lanes(
              0, kWarpTileVectors);
          LoadTiles<In>(a, turn, lanes);
          QuantizeTiles<decltype(compiled), In, Out>(a, t, a.StepNow(), turn,
                                                     lanes);
          StorePairs<Pairs>(lanes, a, i);
        });
      });
    });
  });
}

void RunUnits(const QuantizeArgs& a) {
  WithPairs(a, [&](auto pairs) {
    using Pairs = decltype(pairs);
    ForEach(TurnsOf(a, Way::kUnits), [&](int64_t turn) {
      HostLanes<NoState, kWarp, Pairs> lanes(turn * kWarp, NumUnits(a.grid));
      QuantizeUnitTurn(a, a.StepNow(), lanes);
      StorePairs<Pairs>(lanes, a, turn);
    });
  });
}

void RunAmax(Kernel kernel, const QuantizeArgs& a) {
  uint32_t amax = 0;
  WithInput(a.in, [&](auto in) {
    using In = decltype(in);
    if (kernel == Kernel::kAmaxRows) {
      ForEachTurnOfRows<In, NoPairs>(a, [&](auto& lanes, int64_t) {
        amax = AmaxOfRows<In>(a, amax, lanes);
      });
      return;
    }
    WithColumnLength(a.grid.block_cols, [&](auto count, auto length) {
      constexpr int kCount = decltype(count)::value;
      ForEach(ColumnTasks<kCount>(a.grid), [&](int64_t task) {
        Columns<kCount, decltype(length)::value> c;
        LoadColumns<In>(a, task, c);
        amax = AmaxOfColumns(amax, c);
      });
    });
  });
  AtomicMax(a.amax_bits, amax);
}

template <class Compiled, class In, class Out, class Pairs, int kCount,
          int kLength>
void RunBothWays(const QuantizeArgs& rows, const QuantizeArgs& columns) {
  const Factors row_factors = FactorsOf(rows.FactorsOfRow(0));
  const Factors column_factors = FactorsOf(columns.FactorsOfRow(0));
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  ForEach(TurnsOfTasks(tasks), [&](int64_t turn) {
    HostLanes<BothState<kCount, kLength>, kWarp, Pairs> lanes(turn * kWarp,
                                                              tasks);
    LoadColumnsOfBoth<In>(columns, lanes);
    QuantizeColumnsOfBoth<Compiled, Out>(columns, column_factors,
                                         columns.StepNow(), lanes);
    StorePairs<Pairs>(lanes, columns, turn);
    lanes.ClearPairs();
    QuantizeRowsOfBoth<Compiled, In, Out, kCount>(rows, columns, row_factors,
                                                  rows.StepNow(), lanes);
    StorePairs<Pairs>(lanes, rows, turn);
  });
  StoreTensorScale(rows, 0);
  StoreTensorScale(columns, 0);
}

template <class In, int kCount, int kLength>
void RunAmaxBoth(const QuantizeArgs& rows, const QuantizeArgs& columns) {
  uint32_t rows_amax = 0, columns_amax = 0;
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  ForEach(TurnsOfTasks(tasks), [&](int64_t turn) {
    HostLanes<BothState<kCount, kLength>, kWarp> lanes(turn * kWarp, tasks);
    AmaxOfBoth<In, kCount>(rows, columns, lanes, &rows_amax, &columns_amax);
  });
  if (rows.amax_bits != nullptr) AtomicMax(rows.amax_bits, rows_amax);
  if (columns.amax_bits != nullptr) {
    AtomicMax(columns.amax_bits, columns_amax);
  }
}

}  // namespace

absl::Status HostExecutor::Run(Kernel kernel, const QuantizeArgs& a) {
  const Grid& g = a.grid;
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
      RunUnits(a);
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
        WithPairs(rows, [&](auto pairs) {
          RunBothWays<Compiled, In, Out, decltype(pairs), kCount, kLength>(
              rows, columns);
        });
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
