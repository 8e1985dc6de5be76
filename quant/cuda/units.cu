// Way::kUnits, de-quantising, and memory.

#include <mutex>

#include "quant/cuda/dispatch.h"
#include "quant/cuda/kernels.h"
#include "quant/cuda/launch.cuh"
#include "quant/cuda/units.h"

namespace cnn_fp4::quant::cuda {
namespace {

// Blocks of threads that must fit a multiprocessor at once. The compiler weighs
// registers against occupancy by itself (0), and where a block's elements are
// rounded by every rule its choice spills.
template <Kernel kKernel>
constexpr int kBlocksAtOnce = kKernel == Kernel::kBlockScales ? 4
                              : kKernel == Kernel::kElements  ? 8
                                                              : 0;

// One thread for each of `count` tasks.
template <Kernel kKernel>
__global__ void __launch_bounds__(kFewThreads, kBlocksAtOnce<kKernel>)
    UnitsKernel(const __grid_constant__ QuantizeArgs a, int64_t count) {
  [[maybe_unused]] const uint64_t step = a.StepNow();
  for (int64_t i = GlobalThread(); i < count; i += TotalThreads()) {
    if constexpr (kKernel == Kernel::kTensorScales) StoreTensorScale(a, i);
    if constexpr (kKernel == Kernel::kAmaxUnits) TakeUnitAmax(a, i);
    if constexpr (kKernel == Kernel::kBlockAmaxes) TakeBlockAmax(a, i);
    if constexpr (kKernel == Kernel::kBlockScales) ChooseBlockScale(a, step, i);
    if constexpr (kKernel == Kernel::kElements) {
      NoPairs none;
      QuantizeUnit(a, step, i, none);
    }
    if constexpr (kKernel == Kernel::kSumPairs) SumPairs(a, i);
    if constexpr (kKernel == Kernel::kPack) PackCodes(a, i);
    if constexpr (kKernel == Kernel::kDequantizeUnits) DequantizeUnit(a, i);
  }
}

template <class Out>
__global__ void __launch_bounds__(kFewThreads)
    DequantizeRowsKernel(const __grid_constant__ QuantizeArgs a,
                         int64_t count) {
  for (int64_t i = GlobalThread(); i < count; i += TotalThreads()) {
    DequantizeVector<Out>(a, i);
  }
}

template <class Function>
const char* LaunchTasks(Function kernel, int64_t count,
                        const QuantizeArgs& args, void* stream) {
  return LaunchOver<kFewThreads>(kernel, count, args, stream, count);
}

// Memory of our own that is kept: the device's default pool gives it back to
// the system whenever the host waits, and takes it anew at the next call.
cudaMemPool_t PoolOf(int device) {
  constexpr int kDevices = 64;
  static std::mutex mutex;
  static cudaMemPool_t pools[kDevices] = {};
  if (device >= kDevices) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  if (pools[device] == nullptr) {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = device;
    uint64_t keep = UINT64_MAX;
    if (cudaMemPoolCreate(&pools[device], &properties) == cudaSuccess) {
      cudaMemPoolSetAttribute(pools[device], cudaMemPoolAttrReleaseThreshold,
                              &keep);
    }
  }
  return pools[device];
}

}  // namespace

const char* LaunchUnits(Kernel kernel, const QuantizeArgs& args, void* stream) {
  const Grid& g = args.grid;
  switch (kernel) {
    case Kernel::kTensorScales:
      return LaunchTasks(UnitsKernel<Kernel::kTensorScales>,
                         args.amax_per_row ? g.outer * g.inner : 1, args,
                         stream);
    case Kernel::kAmaxUnits:
      return LaunchTasks(UnitsKernel<Kernel::kAmaxUnits>, NumUnits(g), args,
                         stream);
    case Kernel::kBlockAmaxes:
      return LaunchTasks(UnitsKernel<Kernel::kBlockAmaxes>, NumUnits(g), args,
                         stream);
    case Kernel::kBlockScales:
      return LaunchTasks(UnitsKernel<Kernel::kBlockScales>, g.num_blocks(),
                         args, stream);
    case Kernel::kElements:
      return LaunchTasks(UnitsKernel<Kernel::kElements>, NumUnits(g), args,
                         stream);
    case Kernel::kSumPairs:
      return LaunchTasks(UnitsKernel<Kernel::kSumPairs>,
                         RoundsOf(args.num_pairs), args, stream);
    case Kernel::kPack:
      return LaunchTasks(UnitsKernel<Kernel::kPack>, (g.size() + 1) / 2, args,
                         stream);
    case Kernel::kDequantizeUnits:
      return LaunchTasks(UnitsKernel<Kernel::kDequantizeUnits>, NumUnits(g),
                         args, stream);
    case Kernel::kDequantizeRows: {
      const char* error = nullptr;
      WithInput(args.out, [&](auto out) {
        error = LaunchTasks(DequantizeRowsKernel<decltype(out)>, g.size() / 8,
                            args, stream);
      });
      return error;
    }
    default:
      return "not a kernel of units";
  }
}

const char* AllocateOnStream(size_t bytes, void* stream, void** memory) {
  int device = 0;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return TextOf(error);
  const cudaMemPool_t pool = PoolOf(device);
  if (pool == nullptr) return "no memory pool";
  return TextOf(cudaMallocFromPoolAsync(memory, bytes, pool,
                                        static_cast<cudaStream_t>(stream)));
}

const char* ZeroOnStream(void* memory, size_t bytes, void* stream) {
  return TextOf(
      cudaMemsetAsync(memory, 0, bytes, static_cast<cudaStream_t>(stream)));
}

const char* FreeOnStream(void* memory, void* stream) {
  return TextOf(cudaFreeAsync(memory, static_cast<cudaStream_t>(stream)));
}

}  // namespace cnn_fp4::quant::cuda
