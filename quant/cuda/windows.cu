// Way::kRows of a source that is read through a window.

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"
#include "quant/cuda/rows.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

constexpr int kUnroll = 2;

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kFewThreads)
    WindowsKernel(const __grid_constant__ QuantizeArgs a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  ForEachChunk<In, kUnroll, Lie::kApart, /*kWindow=*/true>(a, [&](auto& lanes) {
    QuantizeRows<Compiled, In, Out>(a, t, step, lanes);
  });
}

template <class In>
__global__ void __launch_bounds__(kFewThreads)
    AmaxWindowsKernel(const __grid_constant__ QuantizeArgs a) {
  uint32_t amax = 0;
  ForEachChunk<In, kUnroll, Lie::kApart, /*kWindow=*/true>(
      a, [&](auto& lanes) { amax = AmaxOfRows<In>(a, amax, lanes); });
  StoreLargest(amax, a.amax_bits);
}

}  // namespace

const char* LaunchWindows(Kernel kernel, const QuantizeArgs& args,
                          void* stream) {
  const char* error = nullptr;
  const auto launch = [&](auto kernel_function, int64_t vector) {
    error = LaunchOver<kFewThreads>(
        kernel_function, args.grid.size() / (vector * kUnroll), args, stream);
  };
  if (kernel == Kernel::kAmaxRows) {
    WithInput(args.in, [&](auto in) {
      using In = decltype(in);
      launch(AmaxWindowsKernel<In>, In::kVector);
    });
    return error;
  }
  WithTypes(args, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if constexpr (kHasColumnKernel<In, Out>) {
      error = "no kernel for this rule";
      WithCompiled</*kEvery=*/false>(args, [&](auto compiled) {
        launch(WindowsKernel<decltype(compiled), In, Out>, In::kVector);
      });
    } else {
      error = "no kernel for these element types";
    }
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
