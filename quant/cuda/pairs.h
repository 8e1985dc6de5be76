#ifndef QUANT_CUDA_PAIRS_H_
#define QUANT_CUDA_PAIRS_H_

// Distortion statistics in the pass that quantises: each lane of a warp sums
// the pairs of what it quantises, the lanes' sums become one partial sum for
// each turn of a warp, and those are added up in a tree. Which elements a turn
// has follows from the tensor, not from the launch: the same call gives the
// same bits on any number of threads. Host and device, as tile.h.

#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/quantize_args.h"
#include "quant/distortion_sums.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/host_device.h"

namespace cnn_fp4::quant::cuda {

// What a kernel that takes no statistics has instead of LanePairs.
struct NoPairs {
  static constexpr bool kWanted = false;
  CNN_FP4_HOST_DEVICE void Add(float, float, uint32_t) {}
};

// The sums of one lane in one turn, of at most 255 pairs.
struct LanePairs {
  static constexpr bool kWanted = true;

  // An element as it is quantised, what its code stands for, and the code.
  CNN_FP4_HOST_DEVICE void Add(float x, float y, uint32_t code) {
    if ((BitCast<uint32_t>(x) & 0x7FFFFFFFu) >= kInfinityBits ||
        (BitCast<uint32_t>(y) & 0x7FFFFFFFu) >= kInfinityBits) {
      ++nonfinite;
      return;
    }
    const double wide_x = x;
    const double wide_y = y;
    const double error = wide_y - wide_x;
    const double magnitude = error < 0.0 ? -error : error;
    xx += wide_x * wide_x;
    yy += wide_y * wide_y;
    xy += wide_x * wide_y;
    ee += error * error;
    if (magnitude > max_abs_error) max_abs_error = magnitude;
    ++finite;
    exact += x == y;
    nonzero += x != 0.0f;
    underflow += x != 0.0f && y == 0.0f;
    saturated += (code & 7u) == 7u && E2m1Abs(x) > E2m1Abs(y);
    const uint64_t one = uint64_t{1} << (8 * (code & 7u));
    if ((code & 8u) != 0) {
      negative += one;
    } else {
      positive += one;
    }
  }

  double xx = 0.0;
  double yy = 0.0;
  double xy = 0.0;
  double ee = 0.0;
  double max_abs_error = 0.0;
  uint32_t finite = 0;
  uint32_t nonfinite = 0;
  uint32_t exact = 0;
  uint32_t nonzero = 0;
  uint32_t underflow = 0;
  uint32_t saturated = 0;
  // A byte for each code: 0 to 7, and 8 to 15.
  uint64_t positive = 0;
  uint64_t negative = 0;
};

// sums.codes.counts: std::array is the host's.
CNN_FP4_HOST_DEVICE inline int64_t* CountsOf(DistortionSums& sums) {
  static_assert(sizeof(sums.codes) == 16 * sizeof(int64_t), "nothing but them");
  return static_cast<int64_t*>(static_cast<void*>(&sums.codes));
}
CNN_FP4_HOST_DEVICE inline const int64_t* CountsOf(const DistortionSums& sums) {
  return static_cast<const int64_t*>(static_cast<const void*>(&sums.codes));
}

// The partial sum of a turn. lanes.Sum(f) and lanes.Largest(f) are the sum and
// the maximum of f(pairs of a lane) over the lanes of a warp.
template <class Lanes>
CNN_FP4_HOST_DEVICE inline void SumLanes(Lanes& lanes, DistortionSums* sums) {
  sums->xx = lanes.Sum([](const LanePairs& p) { return p.xx; });
  sums->yy = lanes.Sum([](const LanePairs& p) { return p.yy; });
  sums->xy = lanes.Sum([](const LanePairs& p) { return p.xy; });
  sums->ee = lanes.Sum([](const LanePairs& p) { return p.ee; });
  sums->max_abs_error =
      lanes.Largest([](const LanePairs& p) { return p.max_abs_error; });
  sums->finite = lanes.Sum([](const LanePairs& p) { return p.finite; });
  sums->nonfinite = lanes.Sum([](const LanePairs& p) { return p.nonfinite; });
  sums->exact = lanes.Sum([](const LanePairs& p) { return p.exact; });
  sums->nonzero = lanes.Sum([](const LanePairs& p) { return p.nonzero; });
  sums->underflow = lanes.Sum([](const LanePairs& p) { return p.underflow; });
  sums->saturated = lanes.Sum([](const LanePairs& p) { return p.saturated; });
  int64_t* const counts = CountsOf(*sums);
  CNN_FP4_UNROLL
  for (int i = 0; i < 8; ++i) {
    counts[i] = lanes.Sum([i](const LanePairs& p) {
      return static_cast<uint32_t>(p.positive >> (8 * i) & 0xFFu);
    });
    counts[8 + i] = lanes.Sum([i](const LanePairs& p) {
      return static_cast<uint32_t>(p.negative >> (8 * i) & 0xFFu);
    });
  }
}

// DistortionSums::Merge.
CNN_FP4_HOST_DEVICE inline void AddSums(const DistortionSums& more,
                                        DistortionSums* sums) {
  sums->xx += more.xx;
  sums->yy += more.yy;
  sums->xy += more.xy;
  sums->ee += more.ee;
  if (more.max_abs_error > sums->max_abs_error) {
    sums->max_abs_error = more.max_abs_error;
  }
  sums->finite += more.finite;
  sums->nonfinite += more.nonfinite;
  sums->exact += more.exact;
  sums->nonzero += more.nonzero;
  sums->underflow += more.underflow;
  sums->saturated += more.saturated;
  for (int i = 0; i < 16; ++i) CountsOf(*sums)[i] += CountsOf(more)[i];
}

// So many partial sums become one in a round of Kernel::kSumPairs.
inline constexpr int64_t kPairsOfRound = 64;

CNN_FP4_HOST_DEVICE constexpr int64_t RoundsOf(int64_t count) {
  return (count + kPairsOfRound - 1) / kPairsOfRound;
}

// Kernel::kSumPairs, a thread for each RoundsOf(a.num_pairs): partial sums to
// fewer, the last round to the caller's statistics.
CNN_FP4_HOST_DEVICE inline void SumPairs(const QuantizeArgs& a, int64_t round) {
  const int64_t first = round * kPairsOfRound;
  const int64_t end =
      first + kPairsOfRound < a.num_pairs ? first + kPairsOfRound : a.num_pairs;
  DistortionSums sums;
  for (int64_t i = first; i < end; ++i) AddSums(a.pairs[i], &sums);
  if (a.num_pairs > kPairsOfRound) {
    a.pair_sums[round] = sums;
  } else {
    AddSums(sums, a.statistics);
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_PAIRS_H_
