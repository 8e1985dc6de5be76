// Way::kColumns.

#include "quant/cuda/columns.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

template <class Compiled, class In, class Out, int kCount, int kLength>
__global__ void __launch_bounds__(kFewThreads)
    ColumnsKernel(const __grid_constant__ QuantizeArgs a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  const int64_t tasks = ColumnTasks<kCount>(a.grid);
  for (int64_t task = GlobalThread(); task < tasks; task += TotalThreads()) {
    Columns<kCount, kLength> c;
    LoadColumns<In>(a, task, c);
    NoPairs none;
    QuantizeColumns<Compiled, Out>(a, t, step, c, none);
  }
}

template <class In, int kCount, int kLength>
__global__ void __launch_bounds__(kFewThreads)
    AmaxColumnsKernel(const __grid_constant__ QuantizeArgs a) {
  uint32_t amax = 0;
  const int64_t tasks = ColumnTasks<kCount>(a.grid);
  for (int64_t task = GlobalThread(); task < tasks; task += TotalThreads()) {
    Columns<kCount, kLength> c;
    LoadColumns<In>(a, task, c);
    amax = AmaxOfColumns(amax, c);
  }
  StoreLargest(amax, a.amax_bits);
}

template <int kCount, int kLength>
const char* LaunchLength(Kernel kernel, const QuantizeArgs& args,
                         void* stream) {
  const char* error = nullptr;
  const int64_t tasks = ColumnTasks<kCount>(args.grid);
  if (kernel == Kernel::kAmaxColumns) {
    WithInput(args.in, [&](auto in) {
      error = LaunchOver<kFewThreads>(
          AmaxColumnsKernel<decltype(in), kCount, kLength>, tasks, args,
          stream);
    });
    return error;
  }
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasColumnKernel<In, Out>) {
      error = "no kernel for this rule";
      WithCompiled</*kEvery=*/false>(args, [&](auto compiled) {
        error = LaunchOver<kFewThreads>(
            ColumnsKernel<decltype(compiled), In, Out, kCount, kLength>, tasks,
            args, stream);
      });
    } else {
      error = "no kernel for these element types";
    }
  });
  return error;
}

}  // namespace

const char* LaunchColumns(Kernel kernel, const QuantizeArgs& args,
                          void* stream) {
  const char* error = nullptr;
  WithColumnLength(args.grid.block_cols, [&](auto count, auto length) {
    error = LaunchLength<decltype(count)::value, decltype(length)::value>(
        kernel, args, stream);
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
