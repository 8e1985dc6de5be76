#ifndef QUANT_CUDA_LAUNCH_CUH_
#define QUANT_CUDA_LAUNCH_CUH_

// What the kernels share: the lanes of a warp, the size of a launch.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <type_traits>

#include "quant/cuda/pairs.h"
#include "quant/cuda/tile.h"

namespace cnn_fp4::quant::cuda {

// Of a thread block, where two such blocks of a kernel fit a processor, and
// where they do not: fewer leave less of it unused.
inline constexpr int kManyThreads = 256;
inline constexpr int kFewThreads = 128;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

__device__ inline int64_t GlobalThread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t TotalThreads() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}
__device__ inline int LaneIndex() { return threadIdx.x % kWarp; }

// Calls run(turn) for a warp's share of the turns.
template <class F>
__device__ void ForEachTurn(int64_t turns, const F& run) {
  const int64_t stride = TotalThreads() / kWarp;
  for (int64_t turn = GlobalThread() / kWarp; turn < turns; turn += stride) {
    run(turn);
  }
}

// How the vectors of a warp lie over its lanes.
enum class Lie {
  kApart,     // A lane's are a warp apart: each access is of whole lines.
  kAdjacent,  // A lane's are neighbours, and of one block: it has one scale.
};

// One lane, with kUnroll vectors: as many loads are on their way at once.
template <class State, int kUnroll, Lie kLie = Lie::kApart,
          class Pairs = NoPairs>
class DeviceLanes {
 public:
  // From the lane's first vector to the next.
  static constexpr int kApart = kLie == Lie::kApart ? kWarp : 1;
  // The first vector of a lane, from the warp's.
  __device__ static int64_t FirstOf(int64_t warp_first) {
    return warp_first +
           (kLie == Lie::kApart ? LaneIndex() : LaneIndex() * kUnroll);
  }

  __device__ DeviceLanes(int64_t first, int64_t count)
      : first_(first), count_(count) {}

  template <class F>
  __device__ void Each(const F& f) {
    CNN_FP4_UNROLL
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t vector = first_ + u * kApart;
      if (vector < count_) f(vector, states_[u]);
    }
  }
  template <class Make, class F>
  __device__ void EachWithBlock(const Make& make, const F& f) {
    if constexpr (kLie == Lie::kApart) {
      Each([&](int64_t vector, State& s) { f(vector, s, make(vector, s)); });
    } else {
      if (first_ >= count_) return;
      const BlockFactors factors = make(first_, states_[0]);
      CNN_FP4_UNROLL
      for (int u = 0; u < kUnroll; ++u) f(first_ + u, states_[u], factors);
    }
  }
  // Of each `vectors` successive vectors; kAdjacent: at least kUnroll.
  __device__ void ReduceMax(int vectors) {
    if constexpr (kLie == Lie::kAdjacent) {
      CNN_FP4_UNROLL
      for (int u = 1; u < kUnroll; ++u) {
        states_[0].amax = max(states_[0].amax, states_[u].amax);
      }
      for (int distance = kUnroll; distance < vectors; distance *= 2) {
        const uint32_t other =
            __shfl_xor_sync(kAllLanes, states_[0].amax, distance / kUnroll);
        states_[0].amax = max(states_[0].amax, other);
      }
    } else {
      for (int distance = 1; distance < vectors; distance *= 2) {
        CNN_FP4_UNROLL
        for (int u = 0; u < kUnroll; ++u) {
          const uint32_t other =
              __shfl_xor_sync(kAllLanes, states_[u].amax, distance);
          states_[u].amax = max(states_[u].amax, other);
        }
      }
    }
  }
  // Of each tile: the lanes and vectors of kTileRowVectors columns of vectors.
  template <int kTileRowVectors>
  __device__ void ReduceMaxOfTiles() {
    uint32_t amax = 0;
    CNN_FP4_UNROLL
    for (int u = 0; u < kUnroll; ++u) amax = max(amax, states_[u].amax);
    CNN_FP4_UNROLL
    for (int distance = 1; distance < kTileRowVectors; distance *= 2) {
      amax = max(amax, __shfl_xor_sync(kAllLanes, amax, distance));
    }
    CNN_FP4_UNROLL
    for (int distance = kLineVectors; distance < kWarp; distance *= 2) {
      amax = max(amax, __shfl_xor_sync(kAllLanes, amax, distance));
    }
    CNN_FP4_UNROLL
    for (int u = 0; u < kUnroll; ++u) states_[u].amax = amax;
  }
  // With the vectors at a distance, a power of two.
  __device__ void Butterfly(int distance) {
    if (kLie == Lie::kAdjacent && distance < kUnroll) {
      static_assert(kLie == Lie::kApart || kUnroll == 2, "one pair a lane");
      CNN_FP4_UNROLL
      for (int i = 0; i < State::kVector; ++i) {
        const float low = states_[0].v[i];
        const float other = states_[kUnroll - 1].v[i];
        states_[0].v[i] = low + other;
        states_[kUnroll - 1].v[i] = low - other;
      }
    } else {
      const int lanes = kLie == Lie::kAdjacent ? distance / kUnroll : distance;
      const bool high = (LaneIndex() & lanes) != 0;
      CNN_FP4_UNROLL
      for (int u = 0; u < kUnroll; ++u) {
        CNN_FP4_UNROLL
        for (int i = 0; i < State::kVector; ++i) {
          const float own = states_[u].v[i];
          const float other = __shfl_xor_sync(kAllLanes, own, lanes);
          // (low + high, low - high), each as it is written there.
          states_[u].v[i] = high ? other - own : own + other;
        }
      }
    }
  }
  __device__ static int Log2(int power) { return 31 - __clz(power); }

  __device__ Pairs& PairsOf(int64_t) { return pairs_; }
  __device__ void ClearPairs() { pairs_ = {}; }
  // Over the lanes, in a tree.
  template <class Of>
  __device__ auto Sum(const Of& of) const {
    auto sum = of(pairs_);
    if constexpr (std::is_same<decltype(sum), uint32_t>::value) {
      return __reduce_add_sync(kAllLanes, sum);
    } else {
      CNN_FP4_UNROLL
      for (int distance = kWarp / 2; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(kAllLanes, sum, distance);
      }
      return sum;
    }
  }
  template <class Of>
  __device__ double Largest(const Of& of) const {
    double largest = of(pairs_);
    CNN_FP4_UNROLL
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      largest = fmax(largest, __shfl_xor_sync(kAllLanes, largest, distance));
    }
    return largest;
  }

 private:
  int64_t first_;
  int64_t count_;
  State states_[kUnroll];
  Pairs pairs_;
};

// The sums of a turn, from which they go to where the host looks for them.
template <class Lanes>
__device__ void StorePairs(Lanes& lanes, const QuantizeArgs& a, int64_t turn) {
  DistortionSums sums;
  SumLanes(lanes, &sums);
  if (LaneIndex() == 0) a.pairs[turn] = sums;
}

// The largest of the threads' magnitudes goes to *at.
__device__ inline void StoreLargest(uint32_t amax, uint32_t* at) {
  amax = __reduce_max_sync(kAllLanes, amax);
  if (LaneIndex() == 0 && amax != 0) atomicMax(at, amax);
}

// How many blocks of kThreads threads the device holds at once. Asked once for
// each kernel: devices of one machine are alike.
template <int kThreads, class Kernel>
int ResidentBlocks(Kernel kernel) {
  static std::mutex mutex;
  // Kernels of one signature share this function.
  static auto* const known = new std::map<const void*, int>();
  const std::lock_guard<std::mutex> lock(mutex);
  int& resident = (*known)[reinterpret_cast<const void*>(kernel)];
  if (resident > 0) return resident;
  int device = 0;
  int processors = 0;
  int a_processor = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount,
                             device) != cudaSuccess ||
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(
          &a_processor, kernel, kThreads, 0) != cudaSuccess) {
    return 1;
  }
  return resident = processors * a_processor;
}

// As many thread blocks as the device holds at once, at most those that
// `threads` threads make. The kernels stride over the rest.
template <int kThreads, class Kernel>
int ThreadBlocks(Kernel kernel, int64_t threads) {
  const int64_t needed = (threads + kThreads - 1) / kThreads;
  return static_cast<int>(std::max<int64_t>(
      1, std::min<int64_t>(needed, ResidentBlocks<kThreads>(kernel))));
}

// CUDA's text of an error; null for none.
inline const char* TextOf(cudaError_t error) {
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

// Launches kernel<<<...>>>(args, more...) with a thread for each of `threads`
// tasks.
template <int kThreads, class Kernel, class... More>
const char* LaunchOver(Kernel kernel, int64_t threads, const QuantizeArgs& args,
                       void* stream, const More&... more) {
  kernel<<<ThreadBlocks<kThreads>(kernel, threads), kThreads, 0,
           static_cast<cudaStream_t>(stream)>>>(args, more...);
  return TextOf(cudaGetLastError());
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_LAUNCH_CUH_
