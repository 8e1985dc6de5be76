// The amaxes and factors of chunks, and the pipeline of those that quantise
// them. Included once for each instruction set by way of hwy/foreach_target.h.

#if defined(QUANT_CPU_CHUNK_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_CHUNK_FACTORS_INL_H_
#undef QUANT_CPU_CHUNK_FACTORS_INL_H_
#else
#define QUANT_CPU_CHUNK_FACTORS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/lane_scales-inl.h"
#include "quant/cpu/unit_maxima-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

// The factors of a chunk, a value for each unit.
struct ChunkFactors {
  HWY_ALIGN int32_t amax_bits[kUnits];
  HWY_ALIGN float factor[kUnits];
  HWY_ALIGN float value_factor[kUnits];
  HWY_ALIGN float stored[kUnits];
  HWY_ALIGN int32_t code[kUnits];
};

// amax_bits, of units. False if the chunk is not finite. This and the next one
// are not inlined: there are many callers, and a call for 256 elements is
// nothing.
HWY_NOINLINE inline bool FindAmaxes(const float* HWY_RESTRICT x,
                                    ChunkFactors& f) {
  const Ints di;
  VI largest = hn::Zero(di);
  for (size_t i = 0; i < kUnits; i += kLanes) {
    const VI max = UnitMaxima(x + i * kUnit);
    largest = hn::Max(largest, max);
    hn::Store(max, di, f.amax_bits + i);
  }
  return hn::AllFalse(di, hn::Gt(largest, hn::Set(di, 0x7F7FFFFF)));
}

// From a number a block to the same one for each of its units.
HWY_INLINE void SpreadToUnits(const float* of_blocks, size_t block_units,
                              float* of_units) {
  if (block_units == 1) {
    hwy::CopyBytes<kUnits * sizeof(float)>(of_blocks, of_units);
    return;
  }
  for (size_t i = 0; i < kUnits; i += block_units, ++of_blocks) {
    for (size_t j = i; j < i + block_units; ++j) of_units[j] = *of_blocks;
  }
}

// The amaxes of units become those of their blocks.
HWY_INLINE void MergeAmaxes(size_t block_units, int32_t* amax_bits) {
  const Ints di;
  if (block_units <= kLanes) {
    for (size_t i = 0; i < kUnits; i += kLanes) {
      const VI units = hn::Load(di, amax_bits + i);
      hn::Store(BlockMaxima(units, block_units), di, amax_bits + i);
    }
    return;
  }
  for (size_t i = 0; i < kUnits; i += block_units) {
    int32_t max = 0;
    for (size_t j = i; j < i + block_units; ++j) {
      max = HWY_MAX(max, amax_bits[j]);
    }
    for (size_t j = i; j < i + block_units; ++j) amax_bits[j] = max;
  }
}

// Everything else of chunk c, from amax_bits or from the given scales.
HWY_NOINLINE inline void FindFactors(const KernelParams& params,
                                     size_t block_units, size_t c,
                                     ChunkFactors& f) {
  const Floats d;
  const Ints di;
  const bool given = params.given_scales != nullptr;
  if (given) {
    SpreadToUnits(params.given_scales + c * (kUnits / block_units), block_units,
                  f.stored);
  } else if (block_units > 1) {
    MergeAmaxes(block_units, f.amax_bits);
  }
  for (size_t i = 0; i < kUnits; i += kLanes) {
    const VF numbers = given ? hn::Load(d, f.stored + i)
                             : hn::BitCast(d, hn::Load(di, f.amax_bits + i));
    const LaneFactors lanes = FactorsOf(params, numbers);
    hn::Store(lanes.factor, d, f.factor + i);
    hn::Store(ValueFactor(params, lanes), d, f.value_factor + i);
    hn::Store(lanes.stored, d, f.stored + i);
    hn::Store(lanes.code, di, f.code + i);
  }
}

// Calls apply(factors, c) for chunks c = 0, 1, .. until one is not finite or
// apply returns false. Returns the number of those before it. x may be what
// apply writes to.
template <class Apply>
HWY_INLINE size_t ForEachChunk(const KernelParams& params, size_t block_units,
                               const float* x, size_t chunks,
                               const Apply& apply) {
  // Three chunks at a time: the elements of one while the scales of the next
  // and the amaxes of the one after it are found. Each is a chain of operations
  // that wait for one another; side by side they fill the pipelines.
  ChunkFactors buffers[3];
  size_t finite = 0;  // Chunks from the first on whose amaxes are found.
  const auto find_amaxes = [&](size_t c) HWY_ATTR {
    if (c < chunks && c == finite &&
        FindAmaxes(x + c * kChunk, buffers[c % 3])) {
      ++finite;
    }
  };
  const auto find_factors = [&](size_t c) HWY_ATTR {
    if (c < finite) FindFactors(params, block_units, c, buffers[c % 3]);
  };
  find_amaxes(0);
  find_factors(0);
  find_amaxes(1);
  for (size_t c = 0; c < finite; ++c) {
    find_factors(c + 1);
    find_amaxes(c + 2);
    if (!apply(buffers[c % 3], c)) return c;
  }
  return finite;
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
