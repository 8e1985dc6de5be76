// The amaxes of units, a unit a lane. Included once for each instruction set by
// way of hwy/foreach_target.h.

#if defined(QUANT_CPU_UNIT_MAXIMA_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_UNIT_MAXIMA_INL_H_
#undef QUANT_CPU_UNIT_MAXIMA_INL_H_
#else
#define QUANT_CPU_UNIT_MAXIMA_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

// Magnitudes of FP32 are ordered as their bits are.

// Of each group of four lanes of four vectors: lane i has the maximum of vector
// i's group. Moves within such groups are the cheapest there are.
HWY_INLINE VI MaximaOfFour(const VI (&v)[4]) {
  const Ints di;
  const hn::Repartition<int64_t, Ints> d64;
  const auto interleaved = [&](VI a, VI b) HWY_ATTR {
    return hn::BitCast(d64, hn::Max(hn::InterleaveLower(di, a, b),
                                    hn::InterleaveUpper(di, a, b)));
  };
  const auto low = interleaved(v[0], v[1]);
  const auto high = interleaved(v[2], v[3]);
  return hn::Max(hn::BitCast(di, hn::InterleaveLower(d64, low, high)),
                 hn::BitCast(di, hn::InterleaveUpper(d64, low, high)));
}

// The maxima of pairs of groups of four lanes: those of a, then those of b.
HWY_INLINE VI MaximaOfGroups(VI a, VI b) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  constexpr int kEven = 0x88, kOdd = 0xDD;
  return hn::Max(VI{_mm512_shuffle_i32x4(a.raw, b.raw, kEven)},
                 VI{_mm512_shuffle_i32x4(a.raw, b.raw, kOdd)});
#else
  const Ints di;
  return hn::Max(hn::ConcatLowerLower(di, b, a),
                 hn::ConcatUpperUpper(di, b, a));
#endif
}

// Lane i: the maximum of leaf(i), a vector, for i = 0 .. kLanes - 1.
template <class Leaf>
HWY_INLINE VI MaximaOfVectors(const Leaf& leaf) {
  const auto four = [&](size_t i) HWY_ATTR {
    return MaximaOfFour({leaf(i), leaf(i + 1), leaf(i + 2), leaf(i + 3)});
  };
  if constexpr (kLanes == 4) {
    return four(0);
  } else if constexpr (kLanes == 8) {
    return MaximaOfGroups(four(0), four(4));
  } else {
    return MaximaOfGroups(MaximaOfGroups(four(0), four(4)),
                          MaximaOfGroups(four(8), four(12)));
  }
}

// kLanes successive units of FP32.
HWY_INLINE VI UnitMaxima(const float* HWY_RESTRICT x) {
  const Floats d;
  const auto unit = [&](size_t u) HWY_ATTR {
    VI max = AbsBits(hn::LoadU(d, x + u * kUnit));
    for (size_t i = kLanes; i < kUnit; i += kLanes) {
      max = hn::Max(max, AbsBits(hn::LoadU(d, x + u * kUnit + i)));
    }
    return max;
  };
  return MaximaOfVectors(unit);
}

// From the maximum of each unit, a lane, that of the block that the unit lies
// in, for blocks of at most kLanes units, a power of two.
HWY_INLINE VI BlockMaxima(VI units, size_t block_units) {
  const Ints di;
  if (block_units >= 2) units = hn::Max(units, hn::Reverse2(di, units));
  if (block_units >= 4) units = hn::Max(units, hn::Reverse4(di, units));
  if constexpr (kLanes >= 8) {
    if (block_units >= 8) units = hn::Max(units, hn::Reverse8(di, units));
  }
  if constexpr (kLanes >= 16) {
    if (block_units >= 16) units = hn::Max(units, hn::Reverse(di, units));
  }
  return units;
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
