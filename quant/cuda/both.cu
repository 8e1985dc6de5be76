// Two operands of one tensor from one read of it: both.h.

#include "quant/cuda/both.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

template <class Compiled, class In, class Out, int kCount, int kLength,
          class Pairs>
__global__ void __launch_bounds__(kFewThreads)
    BothKernelOf(const __grid_constant__ QuantizeArgs rows,
                 const __grid_constant__ QuantizeArgs columns) {
  using Lanes = DeviceLanes<BothState<kCount, kLength>, 1, Lie::kApart, Pairs>;
  const Factors row_factors = FactorsOf(rows.FactorsOfRow(0));
  const Factors column_factors = FactorsOf(columns.FactorsOfRow(0));
  const uint64_t row_step = rows.StepNow();
  const uint64_t column_step = columns.StepNow();
  if (GlobalThread() == 0) {
    StoreTensorScale(rows, 0);
    StoreTensorScale(columns, 0);
  }
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  ForEachTurn(TurnsOfTasks(tasks), [&](int64_t turn) {
    Lanes lanes(Lanes::FirstOf(turn * kWarp), tasks);
    LoadColumnsOfBoth<In>(columns, lanes);
    QuantizeColumnsOfBoth<Compiled, Out>(columns, column_factors, column_step,
                                         lanes);
    if constexpr (Pairs::kWanted) StorePairs(lanes, columns, turn);
    lanes.ClearPairs();
    QuantizeRowsOfBoth<Compiled, In, Out, kCount>(rows, columns, row_factors,
                                                  row_step, lanes);
    if constexpr (Pairs::kWanted) StorePairs(lanes, rows, turn);
  });
}

template <class In, int kCount, int kLength>
__global__ void __launch_bounds__(kFewThreads)
    AmaxBothKernel(const __grid_constant__ QuantizeArgs rows,
                   const __grid_constant__ QuantizeArgs columns) {
  using Lanes = DeviceLanes<BothState<kCount, kLength>, 1>;
  uint32_t rows_amax = 0;
  uint32_t columns_amax = 0;
  const int64_t tasks = ColumnTasks<kCount>(columns.grid);
  ForEachTurn(TurnsOfTasks(tasks), [&](int64_t turn) {
    Lanes lanes(Lanes::FirstOf(turn * kWarp), tasks);
    AmaxOfBoth<In, kCount>(rows, columns, lanes, &rows_amax, &columns_amax);
  });
  if (rows.amax_bits != nullptr) StoreLargest(rows_amax, rows.amax_bits);
  if (columns.amax_bits != nullptr) {
    StoreLargest(columns_amax, columns.amax_bits);
  }
}

}  // namespace

const char* LaunchBoth(BothKernel kernel, const QuantizeArgs& rows,
                       const QuantizeArgs& columns, void* stream) {
  const char* error = "no kernel for these element types";
  WithColumnLength(columns.grid.block_cols, [&](auto count, auto length) {
    constexpr int kCount = decltype(count)::value;
    constexpr int kLength = decltype(length)::value;
    const auto launch = [&](auto function) {
      error = LaunchOver<kFewThreads>(
          function, ColumnTasks<kCount>(columns.grid), rows, stream, columns);
    };
    if (kernel == BothKernel::kAmax) {
      WithInput(rows.in, [&](auto in) {
        launch(AmaxBothKernel<decltype(in), kCount, kLength>);
      });
      return;
    }
    WithTypes(rows, [&](auto in, auto out) {
      using In = decltype(in);
      using Out = decltype(out);
      WithCompiled</*kEvery=*/false>(rows, [&](auto compiled) {
        using Compiled = decltype(compiled);
        if (rows.pairs != nullptr) {
          if constexpr (kHasBothKernel<In, Out, LanePairs>) {
            launch(BothKernelOf<Compiled, In, Out, kCount, kLength, LanePairs>);
          }
        } else if constexpr (kHasBothKernel<In, Out, NoPairs>) {
          launch(BothKernelOf<Compiled, In, Out, kCount, kLength, NoPairs>);
        }
      });
    });
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
