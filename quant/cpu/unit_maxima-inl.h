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
#include <type_traits>

#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/narrow_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

// Element maxima of FP32, and of two 16-bit numbers in a lane; magnitudes all,
// which are ordered as their bits are.
struct MaxOfFloats {
  HWY_INLINE VI operator()(VI a, VI b) const { return hn::Max(a, b); }
};
struct MaxOfHalves {
  HWY_INLINE VI operator()(VI a, VI b) const {
    const hn::Repartition<int16_t, Ints> d16;
    return hn::BitCast(Ints(),
                       hn::Max(hn::BitCast(d16, a), hn::BitCast(d16, b)));
  }
};

// Of each group of four lanes of four vectors: lane i has the maximum of vector
// i's group. Moves within such groups are the cheapest there are.
template <class Max>
HWY_INLINE VI MaximaOfFour(const VI (&v)[4], const Max& max) {
  const Ints di;
  const hn::Repartition<int64_t, Ints> d64;
  const auto interleaved = [&](VI a, VI b) HWY_ATTR {
    return hn::BitCast(
        d64, max(hn::InterleaveLower(di, a, b), hn::InterleaveUpper(di, a, b)));
  };
  const auto low = interleaved(v[0], v[1]);
  const auto high = interleaved(v[2], v[3]);
  return max(hn::BitCast(di, hn::InterleaveLower(d64, low, high)),
             hn::BitCast(di, hn::InterleaveUpper(d64, low, high)));
}

// The maxima of pairs of groups of four lanes: those of a, then those of b.
template <class Max>
HWY_INLINE VI MaximaOfGroups(VI a, VI b, const Max& max) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  constexpr int kEven = 0x88, kOdd = 0xDD;
  return max(VI{_mm512_shuffle_i32x4(a.raw, b.raw, kEven)},
             VI{_mm512_shuffle_i32x4(a.raw, b.raw, kOdd)});
#else
  const Ints di;
  return max(hn::ConcatLowerLower(di, b, a), hn::ConcatUpperUpper(di, b, a));
#endif
}

// Lane i: the maximum of leaf(i), a vector, for i = 0 .. kLanes - 1.
template <class Leaf, class Max>
HWY_INLINE VI MaximaOfVectors(const Leaf& leaf, const Max& max) {
  const auto four = [&](size_t i) HWY_ATTR {
    return MaximaOfFour({leaf(i), leaf(i + 1), leaf(i + 2), leaf(i + 3)}, max);
  };
  if constexpr (kLanes == 4) {
    return four(0);
  } else if constexpr (kLanes == 8) {
    return MaximaOfGroups(four(0), four(4), max);
  } else {
    return MaximaOfGroups(MaximaOfGroups(four(0), four(4), max),
                          MaximaOfGroups(four(8), four(12), max), max);
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
  return MaximaOfVectors(unit, MaxOfFloats());
}

// kLanes successive units of a narrow type, in the lower halves; the upper ones
// hold anything.
HWY_INLINE VI UnitMaxima(const uint16_t* HWY_RESTRICT x) {
  const Ints di;
  const hn::Repartition<int16_t, Ints> d16;
  const MaxOfHalves max;
  const auto load = [&](size_t i) HWY_ATTR {
    const auto* bits = reinterpret_cast<const int16_t*>(x) + i;
    return hn::BitCast(di, hn::And(hn::LoadU(d16, bits), hn::Set(d16, 0x7FFF)));
  };
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // Two units a vector, in its halves.
  const auto four = [&](size_t i) HWY_ATTR {
    return MaximaOfFour({load(2 * i * kUnit), load((2 * i + 2) * kUnit),
                         load((2 * i + 4) * kUnit), load((2 * i + 6) * kUnit)},
                        max);
  };
  // 0, 2, 4, 6, then 1, 3, 5, 7, and so on.
  const VI halves = MaximaOfGroups(four(0), four(4), max);
  HWY_ALIGN static constexpr int32_t kOrder[kLanes] = {
      0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
  const VI ordered{
      _mm512_permutexvar_epi32(hn::Load(di, kOrder).raw, halves.raw)};
#else
  const auto unit = [&](size_t u) HWY_ATTR {
    VI m = load(u * kUnit);
    for (size_t i = 2 * kLanes; i < kUnit; i += 2 * kLanes) {
      m = max(m, load(u * kUnit + i));
    }
    return m;
  };
  const VI ordered = MaximaOfVectors(unit, max);
#endif
  return max(ordered, hn::ShiftRight<16>(ordered));
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

// The FP32 bits of the amaxes of kLanes successive units.
template <class Lanes>
HWY_INLINE VI AmaxBitsOfUnits(const typename Lanes::Bits* HWY_RESTRICT x) {
  const VI maxima = UnitMaxima(x);
  if constexpr (std::is_same_v<typename Lanes::Bits, float>) {
    return maxima;
  } else {
    const Words d;
    const VU bits = hn::And(hn::BitCast(d, maxima), hn::Set(d, 0x7FFFu));
    return hn::BitCast(Ints(), Lanes::OfWords(bits));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
