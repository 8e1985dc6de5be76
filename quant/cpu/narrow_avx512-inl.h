// Chunks of FP16 and BF16 with AVX-512, rounding to nearest even. Elements
// that are widened to FP32 cost as much as FP32 ones; here
//  - under power-of-two scales they never are: scaling is a subtraction of
//    exponents, rounding a table of 32 16-bit numbers;
//  - under other scales they are, exactly as FP32 elements are, until their
//    E2M1 code is known, and a block's values, of which there are eight, come
//    from a table.
// Both give the bits of the kernels for all instruction sets and take only
// chunks of ordinary size: what they stop at is those kernels' work.
//
// Included once for each instruction set by way of hwy/foreach_target.h.

#if defined(QUANT_CPU_NARROW_AVX512_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_NARROW_AVX512_INL_H_
#undef QUANT_CPU_NARROW_AVX512_INL_H_
#else
#define QUANT_CPU_NARROW_AVX512_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "quant/cpu/chunk_factors-inl.h"
#include "quant/cpu/lane_scales-inl.h"
#include "quant/cpu/narrow_lanes-inl.h"
#include "quant/cpu/unit_maxima-inl.h"

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

inline constexpr size_t kShorts = 32;  // Of a vector: a pair of units.
inline constexpr size_t kPairs = kChunk / kShorts;

struct ShortTable {
  alignas(64) uint16_t values[kShorts];
};

// For each pair of a chunk, which of 16 units' numbers its lanes take.
struct PairIndices {
  alignas(64) uint32_t floats[kPairs][kLanes];
  // Eight codes of each unit: its first number, or its second one, 16 further
  // on, for the codes whose values are 1.5 times a power of two.
  alignas(64) uint16_t codes[kPairs][kShorts];
};
inline constexpr PairIndices kPairIndices = [] {
  PairIndices indices{};
  for (size_t i = 0; i < kPairs; ++i) {
    for (size_t j = 0; j < kLanes; ++j) {
      const size_t unit = 2 * i + j / 8;
      const bool three_halves = j % 8 == 3 || j % 8 == 5 || j % 8 == 7;
      indices.floats[i][j] = static_cast<uint32_t>(unit);
      indices.codes[i][j] =
          static_cast<uint16_t>(unit + (three_halves ? kUnits : 0));
    }
  }
  return indices;
}();

// 16-bit magnitudes with the signs of x.
HWY_INLINE __m512i WithSignsOf(__m512i magnitudes, __m512i x) {
  constexpr int kFirstOrSecondAndThird = 0xF8;
  return _mm512_ternarylogic_epi32(magnitudes, x, _mm512_set1_epi16(-0x8000),
                                   kFirstOrSecondAndThird);
}

// Vectors of elements to whole cache lines past the caches, or as usual.
HWY_INLINE bool CanStreamShorts(const uint16_t* y) {
  return reinterpret_cast<uintptr_t>(y) % sizeof(__m512i) == 0;
}
template <bool kStream>
HWY_INLINE void StoreShorts(__m512i v, uint16_t* y) {
  if constexpr (kStream) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(y), v);
  } else {
    _mm512_storeu_si512(y, v);
  }
}

// The bits of a narrow type, and the least E8M0 code under which numbers that
// matter are normal ones: elements from a quarter of the scale on, and values,
// half of it and more.
template <class Lanes>
struct NarrowBits {
  static constexpr bool kHalf = std::is_same_v<Lanes, HalfLanes>;
  static constexpr int kMantissa = kHalf ? 10 : 7;
  static constexpr int kBias = kHalf ? 15 : 127;
  static constexpr int kInfinity = (2 * kBias + 1) << kMantissa;
  static constexpr int kMinExponent = 1 - kBias;
  static constexpr int kMinScaleCode = 127 + kMinExponent + 2;

  // By the two leading mantissa bits of |v| and the three last ones of its
  // exponent, 2^-5 <= |v| < 8: the bits of |v| rounded to E2M1. Ties are
  // resolved before: a number here is at or above a midpoint if it rounds up.
  // For zero a number that stays negative whatever offset is added.
  static constexpr ShortTable MakeRoundingTable() {
    ShortTable table{};
    for (uint16_t& bits : table.values) bits = 0xC000;
    const auto set = [&](int exponent, int quarter, int steps, int exponent2) {
      table.values[(exponent + kBias) % 8 * 4 + quarter] =
          static_cast<uint16_t>(((exponent2 + kBias) << kMantissa) +
                                (steps << (kMantissa - 1)));
    };
    for (int q = 0; q < 4; ++q) {
      set(-2, q, 0, -1);              // [.25, .5): .5
      set(-1, q, 0, q < 2 ? -1 : 0);  // [.5, .75): .5; [.75, 1): 1
      set(0, q, (q + 1) / 2, 0);      // 1, 1.5, 1.5, 2
      set(1, q, (q + 1) / 2, 1);      // 2, 3, 3, 4
      set(2, q, q > 0, 2);            // 4, 6, 6, 6
    }
    return table;
  }
};

// The exponents of a chunk's scales, in place in both halves, a number a unit.
struct PowerOffsets {
  alignas(64) int32_t units[kUnits];

  // For the elements of a pair of units. kSame: a block has both.
  template <bool kSame>
  HWY_INLINE __m512i OfPair(size_t i) const {
    const __m512i first = _mm512_set1_epi32(units[2 * i]);
    constexpr __mmask16 kSecond = 0xFF00;
    return kSame ? first
                 : _mm512_mask_set1_epi32(first, kSecond, units[2 * i + 1]);
  }
};

// False if the chunk is not for QuantizeWithPowers.
template <class Lanes>
HWY_INLINE bool FindPowers(const KernelParams& params, size_t block_units,
                           const uint16_t* x, PowerOffsets& offsets) {
  using Type = NarrowBits<Lanes>;
  const Ints di;
  const VI amax =
      BlockMaxima(hn::And(UnitMaxima(x), hn::Set(di, 0x7FFF)), block_units);
  // As FP32. Zero and subnormal numbers become too small a number.
  const VI wide = hn::Add(hn::ShiftLeft<23 - Type::kMantissa>(amax),
                          hn::Set(di, (127 - Type::kBias) << 23));
  const __m512i codes =
      E8m0ScaleCodes(params.rule, hn::BitCast(Floats(), wide)).raw;
  const __m512i least = _mm512_set1_epi32(Type::kMinScaleCode);
  const __mmask16 small = _mm512_cmplt_epi32_mask(codes, least);
  const __mmask16 too_small =
      _mm512_mask_test_epi32_mask(small, amax.raw, amax.raw);
  const __mmask16 not_finite =
      _mm512_cmpgt_epi32_mask(amax.raw, _mm512_set1_epi32(Type::kInfinity - 1));
  // Blocks of zeros get the least offset: any will do.
  const __m512i exponents =
      _mm512_sub_epi32(_mm512_max_epi32(codes, least), _mm512_set1_epi32(127));
  const __m512i low = _mm512_and_si512(
      _mm512_slli_epi32(exponents, Type::kMantissa), _mm512_set1_epi32(0xFFFF));
  _mm512_store_si512(offsets.units,
                     _mm512_or_si512(low, _mm512_slli_epi32(low, 16)));
  return (too_small | not_finite) == 0;
}

// The elements of a chunk; kSame as for OfPair.
template <class Lanes, bool kStream, bool kSame>
HWY_INLINE void ApplyPowers(const PowerOffsets& offsets, const uint16_t* x,
                            uint16_t* y) {
  using Type = NarrowBits<Lanes>;
  static constexpr ShortTable kRounded = Type::MakeRoundingTable();
  const __m512i rounded = _mm512_load_si512(kRounded.values);
  // 2^-4: what is below would find another binade's entries.
  const __m512i floor = _mm512_set1_epi16((Type::kBias - 4) << Type::kMantissa);
#pragma GCC unroll 8
  for (size_t i = 0; i < kPairs; ++i) {
    const __m512i v = _mm512_loadu_si512(x + i * kShorts);
    const __m512i offset = offsets.OfPair<kSame>(i);
    const __m512i magnitude = _mm512_and_si512(v, _mm512_set1_epi16(0x7FFF));
    const __m512i scaled =
        _mm512_max_epi16(_mm512_sub_epi16(magnitude, offset), floor);
    // Midpoints whose even neighbour is below, those with a leading mantissa
    // bit of 0, shall not reach the next quarter of a binade.
    const __m512i even = _mm512_andnot_si512(
        _mm512_srli_epi16(scaled, Type::kMantissa - 1), _mm512_set1_epi16(1));
    const __m512i index =
        _mm512_srli_epi16(_mm512_sub_epi16(scaled, even), Type::kMantissa - 2);
    const __m512i r = _mm512_permutexvar_epi16(index, rounded);
    const __m512i value =
        _mm512_max_epi16(_mm512_add_epi16(r, offset), _mm512_setzero_si512());
    StoreShorts<kStream>(WithSignsOf(value, v), y + i * kShorts);
  }
}

// QuantizeHalfChunks and QuantizeBfloat16Chunks for power-of-two scales. Stops
// at a chunk that is not finite or whose scales are too small.
template <class Lanes, bool kStream>
HWY_INLINE size_t QuantizeWithPowers(const KernelParams& params,
                                     size_t block_units, const uint16_t* x,
                                     size_t chunks, uint16_t* y) {
  // The elements of one chunk while the scales of the next are found.
  PowerOffsets offsets[2];
  bool fits = FindPowers<Lanes>(params, block_units, x, offsets[0]);
  for (size_t c = 0; c < chunks; ++c) {
    if (!fits) return c;
    if (c + 1 < chunks) {
      fits = FindPowers<Lanes>(params, block_units, x + (c + 1) * kChunk,
                               offsets[(c + 1) % 2]);
    }
    const size_t at = c * kChunk;
    if (block_units > 1) {
      ApplyPowers<Lanes, kStream, true>(offsets[c % 2], x + at, y + at);
    } else {
      ApplyPowers<Lanes, kStream, false>(offsets[c % 2], x + at, y + at);
    }
  }
  return chunks;
}

// Numbers whose low halves are the E2M1 codes of |v| < 7.
HWY_INLINE __m512i CodeSums(__m512 v, __m512 aligners) {
  constexpr int kLargerMagnitude = 11;
  // All below 2^-8 is zero, and 2^-8 is too.
  const __m512 m =
      _mm512_range_ps(v, _mm512_set1_ps(0.00390625f), kLargerMagnitude);
  const __m512 aligner = E2m1AlignerAt(VF{m}, VF{aligners}).raw;
  return _mm512_castps_si512(_mm512_add_ps(m, aligner));
}

// Whether no element rounds to more than 6 by itself. Only scales that have
// nearly vanished let some.
HWY_INLINE bool AllBelowSeven(const ChunkFactors& f, __m512 factors) {
  const __m512 amaxes = _mm512_castsi512_ps(_mm512_load_si512(f.amax_bits));
  const __m512 largest = _mm512_mul_ps(amaxes, factors);
  return _mm512_cmp_ps_mask(largest, _mm512_set1_ps(7.0f), _CMP_NLT_UQ) == 0;
}

// One chunk of FP16; false if it is not for this kernel.
template <bool kStream>
HWY_INLINE bool ApplyTables(HalfLanes, const ChunkFactors& f, const uint16_t* x,
                            uint16_t* y) {
  static constexpr FloatTable kFirst = MakeE2m1Aligners(0);
  static constexpr FloatTable kSecond = MakeE2m1Aligners(8);
  static constexpr FloatTable kValues = {
      {0, .5f, 1, 1.5f, 2, 3, 4, 6, 0, .5f, 1, 1.5f, 2, 3, 4, 6}};
  static constexpr ShortTable kEven = [] {
    ShortTable table{};
    for (size_t i = 0; i < kShorts; ++i) table.values[i] = 2 * i;
    return table;
  }();
  if (!AllBelowSeven(f, _mm512_load_ps(f.factor))) return false;
  const __m512 scales = _mm512_load_ps(f.value_factor);
  const __m512 first = _mm512_load_ps(kFirst.values);
  const __m512 second = _mm512_load_ps(kSecond.values);
  const __m512 values = _mm512_load_ps(kValues.values);
  const __m512i low_halves = _mm512_load_si512(kEven.values);
  const auto codes = [&](size_t unit, __m512 aligners) HWY_ATTR {
    const __m256i halves =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + unit * kUnit));
    return CodeSums(
        _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_set1_ps(f.factor[unit])),
        aligners);
  };
  for (size_t i = 0; i < kPairs; ++i) {
    const __m512 scale = _mm512_permutexvar_ps(
        _mm512_load_si512(kPairIndices.floats[i]), scales);
    const __m256i table =
        _mm512_cvtps_ph(_mm512_mul_ps(scale, values),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512i index = _mm512_permutex2var_epi16(
        codes(2 * i, first), low_halves, codes(2 * i + 1, second));
    const __m512i magnitude =
        _mm512_permutexvar_epi16(index, _mm512_castsi256_si512(table));
    StoreShorts<kStream>(
        WithSignsOf(magnitude, _mm512_loadu_si512(x + i * kShorts)),
        y + i * kShorts);
  }
  return true;
}

// One chunk of BF16; false if it is not for this kernel.
template <bool kStream>
HWY_INLINE bool ApplyTables(Bfloat16Lanes, const ChunkFactors& f,
                            const uint16_t* x, uint16_t* y) {
  static constexpr FloatTable kAligners = MakeE2m1Aligners(0);
  struct Tables {
    ShortTable upper;      // Upper halves of two vectors of floats.
    ShortTable exponents;  // Of the codes' values.
    ShortTable second;     // The codes of a pair's second unit: 8 and on.
  };
  static constexpr Tables kTables = [] {
    constexpr int kExponents[8] = {0, -1, 0, 0, 1, 1, 2, 2};
    Tables tables{};
    for (size_t i = 0; i < kShorts; ++i) {
      tables.upper.values[i] = static_cast<uint16_t>(2 * i + 1);
      tables.exponents.values[i] =
          static_cast<uint16_t>(kExponents[i % 8] * (1 << 7));
      tables.second.values[i] = i < kUnit ? 0 : 8;
    }
    return tables;
  }();
  constexpr __mmask32 kCodesAboveZero = 0xFEFEFEFE;
  const __m512 factors = _mm512_load_ps(f.factor);
  const __m512 scales = _mm512_load_ps(f.value_factor);
  // Half of a scale shall be a normal number, unless all codes are 0. Six of it
  // are about the amax: at most what rounds to infinity, 2^128, which comes out
  // as the bits of infinity.
  const __mmask16 used =
      _mm512_cmp_ps_mask(factors, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  const __mmask16 too_small = _mm512_mask_cmp_ps_mask(
      used, scales, _mm512_set1_ps(0x1p-125f), _CMP_NGE_UQ);
  if (too_small != 0 || !AllBelowSeven(f, factors)) return false;
  // Two mantissas make all values, after rounding as before it.
  const VU one = RoundNumberToBfloat16(VF{scales});
  const VU three_halves =
      RoundNumberToBfloat16(VF{_mm512_mul_ps(scales, _mm512_set1_ps(1.5f))});
  const __m512i mantissas = _mm512_permutex2var_epi16(
      one.raw, _mm512_load_si512(kTables.upper.values), three_halves.raw);
  const __m512i exponents = _mm512_load_si512(kTables.exponents.values);
  const __m512i second = _mm512_load_si512(kTables.second.values);
  const __m512 aligners = _mm512_load_ps(kAligners.values);
  for (size_t i = 0; i < kPairs; ++i) {
    const __m512i pairs = _mm512_loadu_si512(x + i * kShorts);
    const __m512 factor = _mm512_permutexvar_ps(
        _mm512_load_si512(kPairIndices.floats[i]), factors);
    const __m512i table = _mm512_maskz_add_epi16(
        kCodesAboveZero,
        _mm512_permutexvar_epi16(_mm512_load_si512(kPairIndices.codes[i]),
                                 mantissas),
        exponents);
    const auto codes = [&](VF v) HWY_ATTR {
      return CodeSums(_mm512_mul_ps(v.raw, factor), aligners);
    };
    const __m512i even = codes(Bfloat16Lanes::Even(VU{pairs}));
    const __m512i odd = codes(Bfloat16Lanes::Odd(VU{pairs}));
    constexpr int kOrOfThree = 0xFE;
    // The aligners' upper halves have no bits among the five of an index.
    const __m512i index = _mm512_ternarylogic_epi32(
        even, _mm512_slli_epi32(odd, 16), second, kOrOfThree);
    StoreShorts<kStream>(
        WithSignsOf(_mm512_permutexvar_epi16(index, table), pairs),
        y + i * kShorts);
  }
  return true;
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();
#endif  // HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

#endif  // include guard
