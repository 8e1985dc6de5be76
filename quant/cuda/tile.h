#ifndef QUANT_CUDA_TILE_H_
#define QUANT_CUDA_TILE_H_

// What one thread, or the threads of a warp together, do with a block: the
// bodies of the kernels, for host and device. A GPU runs them in kernels.cuh, a
// machine without one in host_executor.h, so that a wrong index, bound or order
// of operations is found by a test without a GPU.
//
// Where several lanes of a warp share a block, a body is written as steps over
// Lanes: Each(f) calls f(vector index, state) for the vectors at hand - those
// of one lane on the device, those of the whole warp on the host - and between
// the steps the lanes exchange values. EachWithBlock(make, f) calls f(vector
// index, state, make(vector index, state)), with one make for the vectors of a
// block that a lane holds.

#include <cstdint>
#include <type_traits>

#include "quant/choose_scale.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/quantize_args.h"
#include "quant/formats/e2m1_aligned.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"
#include "quant/philox.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cuda {

inline constexpr int kWarp = 32;
// A magnitude's bits from here on are those of an infinity or a NaN.
inline constexpr uint32_t kInfinityBits = 0x7F800000u;
inline constexpr uint32_t kNanBits = 0x7FFFFFFFu;

// The larger magnitude, NaN before all, as bits.
CNN_FP4_HOST_DEVICE inline uint32_t LargerMagnitude(uint32_t bits, float x) {
#if defined(__CUDA_ARCH__)
  float larger;
  asm("max.NaN.f32 %0, %1, %2;"
      : "=f"(larger)
      : "f"(BitCast<float>(bits)), "f"(E2m1Abs(x)));
  return BitCast<uint32_t>(larger);
#else
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (magnitude > kInfinityBits || bits > kInfinityBits) return kNanBits;
  return magnitude > bits ? magnitude : bits;
#endif
}

// The largest finite magnitude.
CNN_FP4_HOST_DEVICE inline uint32_t LargerFinite(uint32_t bits, float x) {
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  return magnitude < kInfinityBits && magnitude > bits ? magnitude : bits;
}

// The largest finite magnitude of kCount elements and `amax`.
template <int kCount>
CNN_FP4_HOST_DEVICE inline uint32_t LargestFinite(uint32_t amax,
                                                  const float* v) {
  uint32_t all = amax;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) all = LargerMagnitude(all, v[i]);
  if (all < kInfinityBits) return all;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) amax = LargerFinite(amax, v[i]);
  return amax;
}

// PackedTensor::tensor_scales[row].
CNN_FP4_HOST_DEVICE inline void StoreTensorScale(const QuantizeArgs& a,
                                                 int64_t row) {
  if (a.tensor_scales != nullptr) {
    a.tensor_scales[row] = a.FactorsOfRow(row).decode;
  }
}

// NonFinitePolicy::kSaturate.
CNN_FP4_HOST_DEVICE inline float Saturated(float x) {
  const uint32_t magnitude = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (magnitude > kInfinityBits) return 0.0f;
  return Limited(x, kFloatMax);
}

template <int kCount>
CNN_FP4_HOST_DEVICE inline void SaturateAll(float* v) {
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) v[i] = Saturated(v[i]);
}

// Kernel::kAmax, one element.
CNN_FP4_HOST_DEVICE inline uint32_t LargerOfElement(const QuantizeArgs& a,
                                                    uint32_t amax, int64_t i) {
  const float x = LoadElement(a.in, a.x, i);
  return LargerFinite(amax, a.saturate ? Saturated(x) : x);
}

// Of a block that holds a NaN or an infinity.
CNN_FP4_HOST_DEVICE inline BlockFactors NonFiniteFactors(
    const QuantizeArgs& a) {
  if (a.nonfinite != nullptr) *a.nonfinite = 1;
  BlockFactors f;
  f.code = a.scale_format == ScaleFormat::kE8m0 ? kE8m0Nan : kE4m3Nan;
  f.factor = 1.0f;
  f.stored = BitCast<float>(uint32_t{0x7FC00000});
  f.dequantize = f.stored;
  return f;
}

// What a kernel is compiled for. Everything at once is long and slow; the rules
// and roundings of training have kernels of their own.
struct EveryRule {
  static constexpr bool kNearest = true;
  static constexpr bool kTies = true;
  static constexpr bool kStochastic = true;
  static constexpr bool kAllRules = true;
};
struct NearestOnly {
  static constexpr bool kNearest = true;
  static constexpr bool kTies = false;
  static constexpr bool kStochastic = false;
  static constexpr bool kAllRules = false;
};
struct StochasticOnly {
  static constexpr bool kNearest = false;
  static constexpr bool kTies = false;
  static constexpr bool kStochastic = true;
  static constexpr bool kAllRules = false;
};

// The rules of NearestOnly and StochasticOnly.
CNN_FP4_HOST_DEVICE constexpr bool IsTrainingRule(ScaleRule rule) {
  return rule == ScaleRule::kTransformerEngine || HasPowerOfTwoScales(rule);
}

// TensorFactors and what is derived from them for all blocks: a division takes
// a GPU ten instructions.
struct Factors {
  TensorFactors t;
  float encode_unit = 0.0f;  // S / M: a block's amax times it is its scale.
  float decode_unit = 0.0f;  // 1 / S.
};

CNN_FP4_HOST_DEVICE inline Factors FactorsOf(const TensorFactors& t) {
  return {t, t.encode * (1.0f / t.element_max), 1.0f / t.encode};
}

// quant::E8m0ScaleCode without a division where a / 6 is a normal number: a / 6
// is 1.m / 1.5 times 2^(e - 2).
CNN_FP4_HOST_DEVICE constexpr uint8_t FastE8m0ScaleCode(ScaleRule rule,
                                                        float a) {
  const uint32_t bits = BitCast<uint32_t>(a);
  if (rule == ScaleRule::kPow2RoundUp && bits >= 0x02000000u) {
    return static_cast<uint8_t>((bits >> 23) - 2 +
                                ((bits & 0x007FFFFFu) > 0x00400000u));
  }
  return E8m0ScaleCode(rule, a);
}

// The factors of a block from its amax as bits, for rules that look at no
// element: MakeBlockFactors.
template <class Compiled>
CNN_FP4_HOST_DEVICE inline BlockFactors FactorsOfAmax(const QuantizeArgs& a,
                                                      const Factors& factors,
                                                      uint32_t bits) {
  if (bits >= kInfinityBits) return NonFiniteFactors(a);
  const TensorFactors& t = factors.t;
  const float amax = BitCast<float>(bits);
  if constexpr (Compiled::kAllRules) return MakeBlockFactors(a.rule, t, amax);
  BlockFactors f;
  if (HasPowerOfTwoScales(a.rule)) {
    f.code = MinCode(FastE8m0ScaleCode(a.rule, amax), t.e8m0_max);
    f.stored = DecodeE8m0(f.code);
    f.factor = DecodeE8m0Reciprocal(f.code);
    f.dequantize = f.stored;
    return f;
  }
  f.code = EncodeScale(MinFloat(amax * factors.encode_unit, kFloatMax));
  f.stored = DecodeScale(f.code);
  f.factor = f.stored == 0.0f
                 ? 0.0f
                 : MinFloat(1.0f / (f.stored * factors.decode_unit), kFloatMax);
  f.dequantize = f.stored * t.decode;
  return f;
}

// What an element is multiplied by (divided, by rules that do) before it is
// rounded, and after. v[0 .. n), a block's elements, are made zero where they
// have no code: a NaN's factors make NaN of zero codes.
struct BlockScale {
  float factor = 0.0f;
  float value = 0.0f;
};
CNN_FP4_HOST_DEVICE inline BlockScale ScaleOf(const QuantizeArgs& a,
                                              const BlockFactors& f) {
  return {f.factor, a.operand ? f.stored : f.dequantize};
}
template <int kCount>
CNN_FP4_HOST_DEVICE inline void ZeroIfNan(const BlockFactors& f, float* v) {
  if (f.stored == f.stored) return;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) v[i] = 0.0f;
}

// Where the scale of a block lies. Swizzled scales are a matrix with a row for
// each row of blocks.
CNN_FP4_HOST_DEVICE inline int64_t ScaleIndex(const QuantizeArgs& a,
                                              int64_t block) {
  if (!a.swizzled) return block;
  const int64_t cols = a.grid.col_blocks();
  const Divisor::Result at = a.grid.by_col_blocks.Divide(block);
  const int64_t r = at.quotient;
  const int64_t c = at.remainder;
  return (r / 128 * ((cols + 3) / 4) + c / 4) * 512 + r % 32 * 16 +
         r % 128 / 32 * 4 + c % 4;
}

CNN_FP4_HOST_DEVICE inline void StoreScale(const QuantizeArgs& a, int64_t block,
                                           const BlockFactors& f) {
  if (a.scales != nullptr) a.scales[ScaleIndex(a, block)] = f.code;
  if (a.scales_float32 != nullptr) a.scales_float32[block] = f.stored;
}

// The random bits of kCount successive elements, 2, 4 or 8; bytes for
// kStochastic8.
template <int kCount>
CNN_FP4_HOST_DEVICE inline void RandomBits(const QuantizeArgs& a, uint64_t step,
                                           uint64_t index, uint32_t* random) {
  if (index % kCount != 0) {
    // Bits of a call are not at hand: one call for each element.
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      random[i] = a.rounding == Rounding::kStochastic8
                      ? RandomByte(index + i, a.key, step)
                      : RandomWord(index + i, a.key, step);
    }
    return;
  }
  if (a.rounding == Rounding::kStochastic8) {
    const PhiloxBlock b = PhiloxAt(index / 16, a.key, step);
    const bool high = (index & 8) != 0;
    // No index that is known at run time only: that would need memory.
    const uint32_t even = high ? b.words[2] : b.words[0];
    const uint32_t odd = high ? b.words[3] : b.words[1];
    const uint32_t first = (index & 4) != 0 ? odd : even;
    const uint32_t shift = kCount == 2 ? 8 * (index & 2) : 0;
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const uint32_t word = i < 4 ? first : odd;
      random[i] = word >> (shift + 8 * (i % 4)) & 0xFFu;
    }
    return;
  }
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; i += 4) {
    const PhiloxBlock b = PhiloxAt((index + i) / 4, a.key, step);
    if constexpr (kCount == 2) {
      const bool high = (index & 2) != 0;
      random[0] = high ? b.words[2] : b.words[0];
      random[1] = high ? b.words[3] : b.words[1];
    } else {
      CNN_FP4_UNROLL
      for (int j = 0; j < 4; ++j) random[i + j] = b.words[j];
    }
  }
}

// The rounding of a scaled element by its definition, for the rarer ones.
CNN_FP4_HOST_DEVICE inline AlignedE2m1 RoundByDefinition(Rounding rounding,
                                                         float scaled) {
  const uint8_t code =
      (rounding == Rounding::kTiesAway ? EncodeE2m1TiesAway(scaled)
                                       : EncodeE2m1TiesToZero(scaled)) &
      7;
  return {DecodeE2m1(code), code};
}

// Rounds the scaled elements s[0 .. kCount) and hands each to
// emit(i, AlignedE2m1).
template <class Compiled, int kCount, class Emit>
CNN_FP4_HOST_DEVICE inline void RoundAll(const QuantizeArgs& a, uint64_t step,
                                         uint64_t index, const float* s,
                                         const Emit& emit) {
  if constexpr (Compiled::kNearest) {
    if (!Compiled::kStochastic || a.rounding == Rounding::kNearestEven) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) emit(i, AlignNearest(s[i]));
      return;
    }
  }
  if constexpr (Compiled::kTies) {
    if (!IsStochastic(a.rounding)) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, RoundByDefinition(a.rounding, s[i]));
      }
      return;
    }
  }
  if constexpr (Compiled::kStochastic) {
    uint32_t random[kCount];
    RandomBits<kCount>(a, step, index, random);
    if (a.rounding == Rounding::kStochastic8) {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, AlignStochastic8(s[i], random[i]));
      }
    } else {
      CNN_FP4_UNROLL
      for (int i = 0; i < kCount; ++i) {
        emit(i, AlignStochastic(s[i], random[i]));
      }
    }
  }
}

// Eight codes of four bits from the scaled elements, by the instruction of
// Blackwell, whose rounding is AlignNearest's.
#if defined(__CUDA_ARCH_FEAT_SM100_ALL)
#define CNN_FP4_HAS_CVT_E2M1 1
template <int kCount>
__device__ inline uint32_t NearestCodes(const float* s) {
  uint32_t codes = 0;
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; i += 2) {
    uint32_t pair;
    asm("{\n"
        ".reg .b8 byte;\n"
        "cvt.rn.satfinite.e2m1x2.f32 byte, %1, %2;\n"
        "cvt.u32.u8 %0, byte;\n"
        "}"
        : "=r"(pair)
        : "f"(s[i + 1]), "f"(s[i]));
    codes |= pair << (4 * i);
  }
  return codes;
}
#endif

// Quantises kCount neighbours in memory, 2, 4 or 8, of one block or (kEach)
// each with its own factors, and writes them as values of type Out or as codes
// to element `offset`, which is aligned to them. v is overwritten.
template <class Compiled, class Out, int kCount, bool kEach = false>
CNN_FP4_HOST_DEVICE inline void QuantizeAndStore(const QuantizeArgs& a,
                                                 uint64_t step, int64_t offset,
                                                 const BlockScale* factors,
                                                 float* v) {
  const uint64_t index = a.first_element + static_cast<uint64_t>(offset);
  if (Compiled::kAllRules && DividesElements(a.rule)) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      v[i] = v[i] / factors[kEach ? i : 0].factor;
    }
  } else {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i)
      v[i] = v[i] * factors[kEach ? i : 0].factor;
  }
  if constexpr (std::is_same<Out, Packed>::value) {
    uint32_t codes = 0;
#if defined(CNN_FP4_HAS_CVT_E2M1)
    if (Compiled::kNearest && a.rounding == Rounding::kNearestEven) {
      StoreCodes<kCount>(NearestCodes<kCount>(v), a.codes, offset);
      return;
    }
#endif
    RoundAll<Compiled, kCount>(
        a, step, index, v, [&](int i, const AlignedE2m1& r) {
          // The sign of v[i] to bit 3 of its nibble.
          const uint32_t sign = BitCast<uint32_t>(v[i]) >> 28 & ~7u;
          codes += (r.code | sign) << (4 * i);
        });
    StoreCodes<kCount>(codes, a.codes, offset);
  } else {
    RoundAll<Compiled, kCount>(
        a, step, index, v, [&](int i, const AlignedE2m1& r) {
          v[i] = E2m1CopySign(r.magnitude, v[i]) * factors[kEach ? i : 0].value;
        });
    if constexpr (Out::kDType != DType::kFloat32) {
      if (a.saturate) {
        CNN_FP4_UNROLL
        for (int i = 0; i < kCount; ++i) v[i] = Limited(v[i], Out::kLargest);
      }
    }
    StoreElements<Out, kCount>(v, a.values, offset);
  }
}

// Several lanes to a block: rows and tiles.

// What a lane holds: one vector of 16 bytes of the source.
template <class In>
struct LaneState {
  Words<4> words = {};  // As they were loaded.
  float v[In::kVector] = {};
  uint32_t amax = 0;  // Magnitude bits.
};

template <class In>
CNN_FP4_HOST_DEVICE inline void LoadLane(const QuantizeArgs& a, int64_t offset,
                                         LaneState<In>& s) {
  s.words =
      LoadWords<4>(static_cast<const char*>(a.x) + offset * SizeOf(In::kDType));
}

// A step of its own: nothing may wait for the first load before the last is on
// its way.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void UnpackLanes(const QuantizeArgs& a,
                                            Lanes& lanes) {
  lanes.Each([&](int64_t, LaneState<In>& s) { Unpack<In, 4>(s.words, s.v); });
  if (!a.saturate) return;
  lanes.Each([&](int64_t, LaneState<In>& s) { SaturateAll<In::kVector>(s.v); });
}

// The butterflies between elements of one lane, at distances below kCount.
template <int kCount>
CNN_FP4_HOST_DEVICE inline void ButterfliesWithin(float* v) {
  CNN_FP4_UNROLL
  for (int distance = 1; distance < kCount; distance *= 2) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if ((i & distance) != 0) continue;
      const float low = v[i];
      const float high = v[i + distance];
      v[i] = low + high;
      v[i + distance] = low - high;
    }
  }
}

// quant::RandomHadamard16 of the groups of 16 that lie in successive lanes.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void RotateLanes(const QuantizeArgs& a,
                                            Lanes& lanes) {
  constexpr int kVector = In::kVector;
  lanes.Each([&](int64_t vector, LaneState<In>& s) {
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
  lanes.Each([&](int64_t, LaneState<In>& s) {
    CNN_FP4_UNROLL
    for (int i = 0; i < kVector; ++i) s.v[i] *= 0.25f;
    if (a.saturate) SaturateAll<kVector>(s.v);
  });
}

// kRows: vector i of a tensor is its elements i * kVector and on. A warp loads
// its next vectors before it works on these.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void LoadRows(const QuantizeArgs& a, Lanes& lanes) {
  lanes.Each([&](int64_t vector, LaneState<In>& s) {
    LoadLane<In>(a, vector * In::kVector, s);
  });
}

// What LoadRows loaded, as it is quantised.
template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void PrepareRows(const QuantizeArgs& a,
                                            Lanes& lanes) {
  UnpackLanes<In>(a, lanes);
  if (a.hadamard) RotateLanes<In>(a, lanes);
}

template <class In, class Lanes>
CNN_FP4_HOST_DEVICE inline void TakeLaneAmaxes(Lanes& lanes) {
  lanes.Each([&](int64_t, LaneState<In>& s) {
    s.amax = 0;
    CNN_FP4_UNROLL
    for (int i = 0; i < In::kVector; ++i) {
      s.amax = LargerMagnitude(s.amax, s.v[i]);
    }
  });
}

template <class Compiled, class In, class Out, class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeRows(const QuantizeArgs& a,
                                             const Factors& t, uint64_t step,
                                             Lanes& lanes) {
  PrepareRows<In>(a, lanes);
  TakeLaneAmaxes<In>(lanes);
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
        QuantizeAndStore<Compiled, Out, In::kVector>(
            a, step, vector * In::kVector, &scale, s.v);
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
  TakeLaneAmaxes<In>(lanes);
  lanes.template ReduceMaxOfTiles<kTileRowVectors<In>>();
  EachOfTurn<In>(a, turn, lanes, [&](int i, int64_t offset, LaneState<In>& s) {
    const BlockFactors f = FactorsOfAmax<Compiled>(a, t, s.amax);
    if (i < kLineVectors && i % kTileRowVectors<In> == 0) {
      StoreScale(a, turn.block + i / kTileRowVectors<In>, f);
    }
    ZeroIfNan<In::kVector>(f, s.v);
    const BlockScale scale = ScaleOf(a, f);
    QuantizeAndStore<Compiled, Out, In::kVector>(a, step, offset, &scale, s.v);
  });
}

// kColumns: 1-D blocks across memory. A thread takes kCount neighbours of each
// of a block's elements.

template <int kCount, int kLength>
struct Columns {
  float v[kLength][kCount];
  int64_t first = 0;   // Element of v[0][0].
  int64_t scale = 0;   // Block of v[.][0].
  int64_t length = 0;  // Of the blocks, at most kLength.
};

// Thread `task` of grid.outer * col_blocks * inner / kCount.
template <class In, int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void LoadColumns(const QuantizeArgs& a, int64_t task,
                                            Columns<kCount, kLength>& c) {
  constexpr int kWords = kCount * static_cast<int>(SizeOf(In::kDType)) / 4;
  const Grid& g = a.grid;
  // kCount divides inner.
  const Divisor::Result at = g.by_inner.Divide(task * kCount);
  const int64_t i = at.remainder;
  const int64_t block = at.quotient;  // Over outer and col_blocks.
  const Divisor::Result at_cols = g.by_col_blocks.Divide(block);
  const int64_t begin = at_cols.remainder * g.block_cols;
  c.first = (at_cols.quotient * g.cols + begin) * g.inner + i;
  c.scale = block * g.inner + i;
  c.length = g.cols - begin < g.block_cols ? g.cols - begin : g.block_cols;
  const char* const source =
      static_cast<const char*>(a.x) + c.first * SizeOf(In::kDType);
  Words<kWords> words[kLength];
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    words[j] = {};
    if (j < c.length) {
      words[j] = LoadWords<kWords>(source + j * g.inner * SizeOf(In::kDType));
    }
  }
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    Unpack<In, kWords>(words[j], c.v[j]);
    if (a.saturate) SaturateAll<kCount>(c.v[j]);
  }
  if (!a.hadamard) return;
  CNN_FP4_UNROLL
  for (int group = 0; group < kLength; group += kHadamardSize) {
    CNN_FP4_UNROLL
    for (int k = 0; k < kCount; ++k) {
      float x[kHadamardSize];
      CNN_FP4_UNROLL
      for (int j = 0; j < kHadamardSize; ++j) {
        const float value = c.v[group + j][k];
        x[j] = (a.hadamard_signs >> j & 1) != 0 ? -value : value;
      }
      ButterfliesWithin<kHadamardSize>(x);
      CNN_FP4_UNROLL
      for (int j = 0; j < kHadamardSize; ++j) c.v[group + j][k] = x[j] * 0.25f;
    }
  }
  if (!a.saturate) return;
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) SaturateAll<kCount>(c.v[j]);
}

template <class Compiled, class Out, int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline void QuantizeColumns(const QuantizeArgs& a,
                                                const Factors& t, uint64_t step,
                                                Columns<kCount, kLength>& c) {
  BlockScale scales[kCount];
  CNN_FP4_UNROLL
  for (int k = 0; k < kCount; ++k) {
    uint32_t amax = 0;
    CNN_FP4_UNROLL
    for (int j = 0; j < kLength; ++j) amax = LargerMagnitude(amax, c.v[j][k]);
    const BlockFactors f = FactorsOfAmax<Compiled>(a, t, amax);
    StoreScale(a, c.scale + k, f);
    scales[k] = ScaleOf(a, f);
    if (f.stored != f.stored) {
      CNN_FP4_UNROLL
      for (int j = 0; j < kLength; ++j) c.v[j][k] = 0.0f;
    }
  }
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    if (j >= c.length) break;
    QuantizeAndStore<Compiled, Out, kCount, /*kEach=*/true>(
        a, step, c.first + j * a.grid.inner, scales, c.v[j]);
  }
}

template <int kCount, int kLength>
CNN_FP4_HOST_DEVICE inline uint32_t AmaxOfColumns(
    uint32_t amax, const Columns<kCount, kLength>& c) {
  CNN_FP4_UNROLL
  for (int j = 0; j < kLength; ++j) {
    amax = LargestFinite<kCount>(amax, c.v[j]);
  }
  return amax;
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_TILE_H_
