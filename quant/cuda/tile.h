#ifndef QUANT_CUDA_TILE_H_
#define QUANT_CUDA_TILE_H_

// What one thread, or the threads of a warp together, do with a block: the
// bodies of the kernels, for host and device. A GPU runs them in the .cu files,
// a machine without one in host_executor.h, so that a wrong index, bound or
// order of operations is found by a test without a GPU.
//
// Where several lanes of a warp share a block, a body is written as steps over
// Lanes: Each(f) calls f(vector index, state) for the vectors at hand - those
// of one lane on the device, those of the whole warp on the host - and between
// the steps the lanes exchange values. EachWithBlock(make, f) calls f(vector
// index, state, make(vector index, state)), with one make for the vectors of a
// block that a lane holds. PairsOf(vector index) are the sums (pairs.h) of the
// lane that holds the vector.

#include <cstdint>

#include "quant/cuda/block.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/quantize_args.h"
#include "quant/cuda/rounding.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant::cuda {

// Turns of warps whose lanes take a task each.
CNN_FP4_HOST_DEVICE constexpr int64_t TurnsOfTasks(int64_t tasks) {
  return (tasks + kWarp - 1) / kWarp;
}

// Several lanes to a block: rows and tiles.

// What a lane holds: one vector of 16 bytes of the source.
template <class In>
struct LaneState {
  static constexpr int kVector = In::kVector;
  Words<4> words = {};  // As they were loaded.
  float v[kVector] = {};
  uint32_t amax = 0;  // Magnitude bits.
};

template <class In>
CNN_FP4_HOST_DEVICE inline void LoadLane(const QuantizeArgs& a, int64_t offset,
                                         LaneState<In>& s) {
  s.words =
      LoadWords<4>(static_cast<const char*>(a.x) + offset * SizeOf(In::kDType));
}

// The same through a window, an element after the other.
template <class In>
CNN_FP4_HOST_DEVICE inline void LoadLaneOfWindow(const QuantizeArgs& a,
                                                 int64_t offset,
                                                 LaneState<In>& s) {
  // A vector lies in one row of the window.
  Window::At at = a.window.at(offset);
  s.words = {};
  CNN_FP4_UNROLL
  for (int i = 0; i < In::kVector; ++i) {
    if (at.IsIn(a.window.width)) {
      const int64_t element = at.row_begin + at.column;
      if constexpr (In::kDType == DType::kFloat32) {
        s.words.w[i] = static_cast<const uint32_t*>(a.x)[element];
      } else {
        s.words.w[i / 2] |= uint32_t{static_cast<const uint16_t*>(a.x)[element]}
                            << (16 * (i % 2));
      }
    }
    at.column += a.window.stride;
  }
}

// A step of its own: nothing may wait for the first load before the last is on
// its way.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void UnpackLanes(const QuantizeArgs& a,
                                            Lanes& lanes) {
  lanes.Each([&](int64_t, LaneState<In>& s) { Unpack<In>(s.words, s.v); });
  if (!a.saturate) return;
  lanes.Each([&](int64_t, LaneState<In>& s) { SaturateAll<In::kVector>(s.v); });
}

// quant::RandomHadamard16 of the groups of 16 that lie in successive lanes.
template <int kVector, class Lanes>
CNN_FP4_HOST_DEVICE inline void RotateLanes(const QuantizeArgs& a,
                                            Lanes& lanes) {
  lanes.Each([&](int64_t vector, auto& s) {
    const uint32_t signs =
        a.hadamard_signs >> (vector % (kHadamardSize / kVector) * kVector);
    CNN_FP4_UNROLL
    for (int i = 0; i < kVector; ++i) {
      if ((signs >> i & 1u) != 0) s.v[i] = -s.v[i];
    }
    ButterfliesWithin<kVector>(s.v);
  });
  CNN_FP4_UNROLL
  for (int distance = 1; distance < kHadamardSize / kVector; distance *= 2) {
    lanes.Butterfly(distance);
  }
  lanes.Each([&](int64_t, auto& s) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kVector; ++i) s.v[i] *= 0.25f;
    if (a.saturate) SaturateAll<kVector>(s.v);
  });
}

// kRows: vector i of a tensor is its elements i * kVector and on. A warp loads
// its next vectors before it works on these.
template <class In, bool kWindow, class Lanes>
CNN_FP4_HOST_DEVICE inline void LoadRows(const QuantizeArgs& a, Lanes& lanes) {
  lanes.Each([&](int64_t vector, LaneState<In>& s) {
    if constexpr (kWindow) {
      LoadLaneOfWindow<In>(a, vector * In::kVector, s);
    } else {
      LoadLane<In>(a, vector * In::kVector, s);
    }
  });
}

// What LoadRows loaded, as it is quantised.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void PrepareRows(const QuantizeArgs& a,
                                            Lanes& lanes) {
  UnpackLanes<In>(a, lanes);
  if (a.hadamard) RotateLanes<In::kVector>(a, lanes);
}

template <int kVector, class Lanes>
CNN_FP4_HOST_DEVICE inline void TakeLaneAmaxes(Lanes& lanes) {
  lanes.Each([&](int64_t, auto& s) {
    s.amax = 0;
    CNN_FP4_UNROLL
    for (int i = 0; i < kVector; ++i) {
      s.amax = LargerMagnitude(s.amax, s.v[i]);
    }
  });
}

template <class Compiled, class In, class Out, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeRows(const QuantizeArgs& a,
                                             const Factors& t, uint64_t step,
                                             Lanes& lanes) {
  PrepareRows<In>(a, lanes);
  TakeLaneAmaxes<In::kVector>(lanes);
  const int vectors_a_block = static_cast<int>(a.grid.block_cols) / In::kVector;
  lanes.ReduceMax(vectors_a_block);
  const int shift = lanes.Log2(vectors_a_block);
  lanes.EachWithBlock(
      [&](int64_t vector, LaneState<In>& s) {
        const BlockFactors f = FactorsOfAmax<Compiled>(a, t, s.amax);
        if ((vector & (vectors_a_block - 1)) == 0) {
          StoreScale(a, vector >> shift, f);
        }
        return f;
      },
      [&](int64_t vector, LaneState<In>& s, const BlockFactors& f) {
        ZeroIfNan<In::kVector>(f, s.v);
        const BlockScale scale = ScaleOf(a, f);
        QuantizeAndStore<Compiled, Out, In::kVector, /*kEach=*/false>(
            a, step, vector * In::kVector, &scale, s.v, lanes.PairsOf(vector));
      });
}

// The largest finite magnitude of the lanes' vectors after the transform.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline uint32_t AmaxOfRows(const QuantizeArgs& a,
                                               uint32_t amax, Lanes& lanes) {
  PrepareRows<In>(a, lanes);
  lanes.Each([&](int64_t, LaneState<In>& s) {
    amax = LargestFinite<In::kVector>(amax, s.v);
  });
  return amax;
}

// kTiles: 16 x 16 elements. A warp takes neighbours in a row of tiles, as many
// as make 128 bytes, a whole line of the cache, of each of their rows. Vector i
// of them is vector i % 8 of row i / 8.
inline constexpr int kTileSide = 16;
inline constexpr int kLineVectors = 8;
inline constexpr int kWarpTileVectors = kTileSide * kLineVectors;
// Vectors of a tile in a row, and tiles of a warp.
template <class In>
inline constexpr int kTileRowVectors = kTileSide / In::kVector;
template <class In>
inline constexpr int kWarpTiles = kLineVectors / kTileRowVectors<In>;

// Turns of a warp: a row of tiles may end with less than a whole one.
template <class In>
CNN_FP4_HOST_DEVICE constexpr int64_t TurnsARow(const Grid& g) {
  return (g.col_blocks() + kWarpTiles<In> - 1) / kWarpTiles<In>;
}

// Of all of a tensor.
template <class In>
CNN_FP4_HOST_DEVICE constexpr int64_t TileTurns(const Grid& g) {
  return g.num_blocks() / g.col_blocks() * TurnsARow<In>(g);
}

// The tiles of one turn.
struct TileTurn {
  int64_t block = 0;   // The first tile's; the others follow.
  int64_t offset = 0;  // Its first element's.
  int64_t tiles = 0;   // 0 beyond the last turn.
};

template <class In>
CNN_FP4_HOST_DEVICE inline TileTurn TileTurnAt(const Grid& g, int64_t turn,
                                               int64_t turns,
                                               int64_t turns_a_row) {
  TileTurn t;
  if (turn >= turns) return t;
  const int64_t row = turn / turns_a_row;
  const int64_t first = (turn - row * turns_a_row) * kWarpTiles<In>;
  t.block = row * g.col_blocks() + first;
  t.offset = g.block(t.block).offset;
  t.tiles = g.col_blocks() - first;
  return t;
}

// Calls f(vector, offset of its element, state) for the vectors of a turn.
template <class In, class Lanes, class F>
CNN_FP4_HOST_DEVICE inline void EachOfTurn(const QuantizeArgs& a,
                                           const TileTurn& turn, Lanes& lanes,
                                           const F& f) {
  const int64_t stride = a.grid.row_stride();
  lanes.Each([&](int64_t vector, LaneState<In>& s) {
    const int i = static_cast<int>(vector);
    if (i % kLineVectors / kTileRowVectors<In> >= turn.tiles) return;
    f(i,
      turn.offset + i / kLineVectors * stride + i % kLineVectors * In::kVector,
      s);
  });
}

template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void LoadTiles(const QuantizeArgs& a,
                                          const TileTurn& turn, Lanes& lanes) {
  EachOfTurn<In>(a, turn, lanes, [&](int, int64_t offset, LaneState<In>& s) {
    LoadLane<In>(a, offset, s);
  });
}

template <class Compiled, class In, class Out, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeTiles(const QuantizeArgs& a,
                                              const Factors& t, uint64_t step,
                                              const TileTurn& turn,
                                              Lanes& lanes) {
  UnpackLanes<In>(a, lanes);
  TakeLaneAmaxes<In::kVector>(lanes);
  lanes.template ReduceMaxOfTiles<kTileRowVectors<In>>();
  EachOfTurn<In>(a, turn, lanes, [&](int i, int64_t offset, LaneState<In>& s) {
    const BlockFactors f = FactorsOfAmax<Compiled>(a, t, s.amax);
    if (i < kLineVectors && i % kTileRowVectors<In> == 0) {
      StoreScale(a, turn.block + i / kTileRowVectors<In>, f);
    }
    ZeroIfNan<In::kVector>(f, s.v);
    const BlockScale scale = ScaleOf(a, f);
    QuantizeAndStore<Compiled, Out, In::kVector, /*kEach=*/false>(
        a, step, offset, &scale, s.v, lanes.PairsOf(i));
  });
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_TILE_H_
