// Way::kRows and the amax of a whole tensor.

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"
#include "quant/cuda/rows.cuh"

namespace cnn_fp4::quant::cuda {
namespace {

// Where arithmetic and not memory is what takes the time - random bits, codes,
// which leave little to write - the vectors of a lane are neighbours: they
// share a block's scale and most of its rotation.
template <class Compiled, class In, class Out>
constexpr Lie kLie = std::is_same<Compiled, StochasticOnly>::value ||
                             (In::kVector == 8 &&
                              std::is_same<Out, Packed>::value)
                         ? Lie::kAdjacent
                         : Lie::kApart;
// Vectors that a lane has on their way at once, and as many more of the next.
template <class Compiled, class In, class Out>
constexpr int kUnroll =
    In::kVector == 8 && kLie<Compiled, In, Out> == Lie::kApart ? 4 : 2;
constexpr int kAmaxUnroll = 4;

template <class Compiled, class In, class Out>
__global__ void __launch_bounds__(kFewThreads)
    RowsKernel(const __grid_constant__ QuantizeArgs a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  const uint64_t step = a.StepNow();
  if (GlobalThread() == 0) StoreTensorScale(a, 0);
  ForEachChunk<In, kUnroll<Compiled, In, Out>, kLie<Compiled, In, Out>>(
      a,
      [&](auto& lanes) { QuantizeRows<Compiled, In, Out>(a, t, step, lanes); });
}

// For tensors that begin at 16 bytes; of the transform where there is one.
template <class In>
__global__ void __launch_bounds__(kFewThreads)
    AmaxKernel(const __grid_constant__ QuantizeArgs a) {
  uint32_t amax = 0;
  ForEachChunk<In, kAmaxUnroll>(
      a, [&](auto& lanes) { amax = AmaxOfRows<In>(a, amax, lanes); });
  // What no vector holds.
  const int64_t size = a.grid.size();
  const int64_t rest = size / In::kVector * In::kVector + GlobalThread();
  if (rest < size) amax = LargerOfElement(a, amax, rest);
  StoreLargest(amax, a.amax_bits);
}

// For tensors that do not begin at 16 bytes.
__global__ void __launch_bounds__(kFewThreads)
    UnalignedAmaxKernel(const __grid_constant__ QuantizeArgs a) {
  uint32_t amax = 0;
  const int64_t size = a.grid.size();
  for (int64_t i = GlobalThread(); i < size; i += TotalThreads()) {
    amax = LargerOfElement(a, amax, i);
  }
  StoreLargest(amax, a.amax_bits);
}

}  // namespace

const char* LaunchRows(Kernel kernel, const QuantizeArgs& args, void* stream) {
  const char* error = nullptr;
  const int64_t size = args.grid.size();
  if (kernel == Kernel::kRows) {
    WithTypes(args, [&](auto in, auto out) {
      using In = decltype(in);
      using Out = decltype(out);
      if constexpr (kHasKernel<In, Out>) {
        WithCompiled</*kEvery=*/true>(args, [&](auto compiled) {
          error = LaunchOver<kFewThreads>(
              RowsKernel<decltype(compiled), In, Out>,
              size / (In::kVector * kUnroll<decltype(compiled), In, Out>), args,
              stream);
        });
      } else {
        error = "no kernel for these element types";
      }
    });
    return error;
  }
  if (reinterpret_cast<uintptr_t>(args.x) % sizeof(Words<4>) != 0) {
    return LaunchOver<kFewThreads>(UnalignedAmaxKernel, size, args, stream);
  }
  WithInput(args.in, [&](auto in) {
    using In = decltype(in);
    error = LaunchOver<kFewThreads>(
        AmaxKernel<In>, size / (In::kVector * kAmaxUnroll), args, stream);
  });
  return error;
}

}  // namespace cnn_fp4::quant::cuda
