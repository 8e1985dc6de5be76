#ifndef QUANT_CUDA_HOST_LANES_H_
#define QUANT_CUDA_HOST_LANES_H_

// The lanes of a warp on the CPU: what tile.h's bodies are written over.
// launch.cuh has those of a GPU.

#include <algorithm>
#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/pairs.h"
#include "quant/cuda/tile.h"

namespace cnn_fp4::quant::cuda {

// The lanes of one warp, in step; vector i is lane i % kWarp's.
template <class State, int kVectors, class Pairs = NoPairs>
class HostLanes {
 public:
  HostLanes(int64_t first, int64_t count) : first_(first), count_(count) {}

  template <class F>
  void Each(const F& f) {
    for (int i = 0; i < kVectors; ++i) {
      if (first_ + i < count_) f(first_ + i, states_[i]);
    }
  }
  template <class Make, class F>
  void EachWithBlock(const Make& make, const F& f) {
    Each([&](int64_t vector, State& s) { f(vector, s, make(vector, s)); });
  }
  void ReduceMax(int lanes) {
    for (int i = 0; i < kVectors; i += lanes) {
      uint32_t amax = 0;
      for (int j = 0; j < lanes; ++j)
        amax = std::max(amax, states_[i + j].amax);
      for (int j = 0; j < lanes; ++j) states_[i + j].amax = amax;
    }
  }
  template <int kTileRowVectors>
  void ReduceMaxOfTiles() {
    uint32_t amax[kLineVectors] = {};
    const auto tile = [](int i) { return i % kLineVectors / kTileRowVectors; };
    for (int i = 0; i < kVectors; ++i) {
      amax[tile(i)] = std::max(amax[tile(i)], states_[i].amax);
    }
    for (int i = 0; i < kVectors; ++i) states_[i].amax = amax[tile(i)];
  }
  void Butterfly(int distance) {
    for (int i = 0; i < kVectors; ++i) {
      if ((i & distance) != 0) continue;
      for (int j = 0; j < State::kVector; ++j) {
        const float low = states_[i].v[j];
        const float high = states_[i + distance].v[j];
        states_[i].v[j] = low + high;
        states_[i + distance].v[j] = low - high;
      }
    }
  }
  static int Log2(int power) {
    int log = 0;
    while (1 << log < power) ++log;
    return log;
  }

  Pairs& PairsOf(int64_t vector) { return pairs_[(vector - first_) % kWarp]; }
  void ClearPairs() { std::fill_n(pairs_, kWarp, Pairs()); }
  // As the device's: neighbours at a distance are added to each other.
  template <class Of>
  auto Sum(const Of& of) const {
    return Reduce(of, [](auto a, auto b) { return a + b; });
  }
  template <class Of>
  double Largest(const Of& of) const {
    return Reduce(of, [](double a, double b) { return std::max(a, b); });
  }

 private:
  template <class Of, class Two>
  auto Reduce(const Of& of, const Two& two) const {
    decltype(of(pairs_[0])) of_lane[kWarp], next[kWarp];
    for (int i = 0; i < kWarp; ++i) of_lane[i] = of(pairs_[i]);
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      for (int i = 0; i < kWarp; ++i) {
        next[i] = two(of_lane[i], of_lane[i ^ distance]);
      }
      std::copy_n(next, kWarp, of_lane);
    }
    return of_lane[0];
  }

  const int64_t first_;
  const int64_t count_;
  State states_[kVectors];
  Pairs pairs_[kWarp];
};

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_HOST_LANES_H_
