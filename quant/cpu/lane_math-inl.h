// The element arithmetic of quant/scale_rules.h and quant/formats in vector
// lanes.
// Included once for each instruction set by way of hwy/foreach_target.h.

#if defined(QUANT_CPU_LANE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_LANE_MATH_INL_H_
#undef QUANT_CPU_LANE_MATH_INL_H_
#else
#define QUANT_CPU_LANE_MATH_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "quant/cpu/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most a unit of 16 lanes.
using Floats = hn::CappedTag<float, 16>;
using Ints = hn::RebindToSigned<Floats>;
using Words = hn::RebindToUnsigned<Floats>;
using VF = hn::Vec<Floats>;
using VI = hn::Vec<Ints>;
using VU = hn::Vec<Words>;

inline constexpr size_t kLanes = hn::MaxLanes(Floats());

// Every kernel has one: clears the upper halves of the vector registers when it
// returns. While they are in use, code of older instruction sets, whoever's,
// runs at a fraction of its speed. The compiler does this itself, but g++ 12
// not in functions that call others that are not inlined.
struct KernelScope {
  HWY_INLINE KernelScope() {}
  HWY_INLINE ~KernelScope() {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
    _mm256_zeroupper();
#endif
  }
};

// Vectors can be streamed to whole ones only.
HWY_INLINE bool CanStream(const KernelOutput& output) {
  return output.stream && reinterpret_cast<uintptr_t>(output.values) %
                                  (kLanes * sizeof(float)) ==
                              0;
}

HWY_INLINE VF FloatOfBits(uint32_t bits) {
  return hn::BitCast(Floats(), hn::Set(Words(), bits));
}

// The bits of |x|, ordered as integers as |x| is ordered; NaN above infinity.
HWY_INLINE VI AbsBits(VF x) { return hn::BitCast(Ints(), hn::Abs(x)); }

// The largest lane of non-negative ones.
HWY_INLINE uint32_t LargestLane(VI v) {
  return static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(Ints(), v)));
}

// 2^floor(log2(v)) for normal v >= 0: the exponent bits alone.
HWY_INLINE VF PowerBelow(VF v) { return hn::And(v, FloatOfBits(0x7F800000)); }

// v + c rounds v >= 0 to E2M1's grid, since c's last place is the grid's step
// there: .5 below 2, then 1, then 2.
HWY_INLINE VF E2m1Aligner(VF v) {
  const Floats d;
  return hn::Mul(hn::Max(PowerBelow(v), hn::Set(d, 1.0f)),
                 hn::Set(d, 4194304.0f));  // 2^22
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
struct FloatTable {
  alignas(64) float values[kLanes];
};

// E2m1Aligner by the low bits of the exponent of m, m < 7: 0 for [2, 4), 1 for
// [4, 8). An even number of steps is added, so that codes go on where the step
// doubles: the last bits of m + aligner are first_code and the code of m. Other
// numbers with these bits are below 2^-13; they become zero with any step, but
// their codes do not.
constexpr FloatTable MakeE2m1Aligners(int first_code) {
  constexpr float kOne = 4194304.0f;  // 2^22: steps of .5.
  FloatTable table{};
  for (float& aligner : table.values) aligner = kOne + 0.5f * first_code;
  table.values[0] = 2.0f * kOne + 2.0f + first_code;
  table.values[1] = 4.0f * kOne + 8.0f + 2.0f * first_code;
  return table;
}

HWY_INLINE VF E2m1AlignerAt(VF m, VF aligners) {
  const VU exponent = hn::ShiftRight<23>(hn::BitCast(Words(), m));
  return VF{_mm512_permutexvar_ps(exponent.raw, aligners.raw)};
}
#endif

// |v|, at most 6. v is not NaN.
HWY_INLINE VF CappedMagnitude(VF v) {
  const VF six = hn::Set(Floats(), 6.0f);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return VF{_mm512_range_ps(v.raw, six.raw, 10)};  // The smaller |v|, sign 0.
#else
  return hn::Min(hn::Abs(v), six);
#endif
}

// The grid value nearest to m, 0 <= m <= 6, of two the even one.
HWY_INLINE VF NearestE2m1(VF m) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // One operation less than E2m1Aligner.
  static constexpr FloatTable kAligners = MakeE2m1Aligners(0);
  const VF c = E2m1AlignerAt(m, hn::Load(Floats(), kAligners.values));
#else
  const VF c = E2m1Aligner(m);
#endif
  return hn::Sub(hn::Add(m, c), c);
}

// The grid value at or below v, 0 <= v <= 6: from 1 on what one mantissa bit
// holds, below it .5 or 0.
HWY_INLINE VF E2m1Floor(VF v) {
  const Floats d;
  const VF kept =
      hn::IfThenElse(hn::Lt(v, hn::Set(d, 1.0f)), FloatOfBits(0x7F800000),
                     FloatOfBits(0x7FC00000));
  return hn::IfThenElseZero(hn::Ge(v, hn::Set(d, 0.5f)), hn::And(v, kept));
}

// E2M1's step at v, 0 <= v <= 6, times `factor`, a power of two: E2m1Step of
// quant/formats/e2m1_rounding.h.
HWY_INLINE VF E2m1StepAt(VF v, float factor = 1.0f) {
  const Floats d;
  return hn::Mul(hn::Max(PowerBelow(v), hn::Set(d, 1.0f)),
                 hn::Set(d, 0.5f * factor));
}

// The random bits of kLanes elements at `at`.
template <Rounding kRounding>
HWY_INLINE VU LoadRandom(const RandomBits& random, size_t at) {
  const Words d;
  if (kRounding == Rounding::kStochastic8) {
    const hn::Rebind<uint8_t, Words> d8;
    return hn::PromoteTo(d, hn::LoadU(d8, random.bytes + at));
  }
  if (kRounding == Rounding::kStochastic) {
    return hn::LoadU(d, random.words + at);
  }
  return hn::Zero(d);
}

// |v| rounded onto the E2M1 grid, saturating at 6. v is not NaN.
template <Rounding kRounding>
HWY_INLINE VF RoundMagnitude(VF v, VU random) {
  const Floats d;
  const Ints di;
  const VF six = hn::Set(d, 6.0f);
  const VF m = CappedMagnitude(v);
  if (kRounding == Rounding::kNearestEven) {
    return NearestE2m1(m);
  }
  if (kRounding == Rounding::kStochastic8) {
    // u * step, u = random / 256.
    const VF rise = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, random)),
                            E2m1StepAt(m, 0.00390625f));
    const VF t = hn::Add(m, rise);
    return E2m1Floor(hn::Min(t, six));
  }
  const VF low = E2m1Floor(m);
  const VF step = E2m1StepAt(m);
  const VF rest = hn::Sub(m, low);  // Exact.
  if (kRounding == Rounding::kTiesAway || kRounding == Rounding::kTiesToZero) {
    const VF half = hn::Mul(step, hn::Set(d, 0.5f));
    const auto up = kRounding == Rounding::kTiesAway ? hn::Ge(rest, half)
                                                     : hn::Gt(rest, half);
    return hn::Min(hn::Add(low, hn::IfThenElseZero(up, step)), six);
  }
  // kStochastic: random / 2^32 < rest / step. The 24 leading bits of the left
  // side against those of the right one, 2^24 / step by its exponent: step is
  // .5, 1 or 2.
  const VF scale = hn::BitCast(
      d, hn::Sub(hn::Set(Words(), 278u << 23), hn::BitCast(Words(), step)));
  const VF scaled = hn::Mul(rest, scale);
  const VI whole = hn::ConvertTo(di, scaled);  // Truncates.
  const VI high = hn::BitCast(di, hn::ShiftRight<8>(random));
  auto up = hn::Lt(high, whole);
  const auto tie = hn::Eq(high, whole);
  if (HWY_UNLIKELY(!hn::AllFalse(di, tie))) {
    // Once in 2^24 elements: the other 8 bits against what remains.
    const VF remainder =
        hn::Mul(hn::Sub(scaled, hn::ConvertTo(d, whole)), hn::Set(d, 256.0f));
    const VI low8 = hn::BitCast(di, hn::And(random, hn::Set(Words(), 255)));
    const VF bits = hn::ConvertTo(d, low8);
    up = hn::Or(up, hn::And(tie, hn::RebindMask(di, hn::Lt(bits, remainder))));
  }
  return hn::Min(hn::Add(low, hn::IfThenElseZero(hn::RebindMask(d, up), step)),
                 six);
}

// The code of magnitude m, 0 <= m <= 6, rounded to nearest even (a grid value
// stays itself), with the sign of x.
HWY_INLINE VU CodeOf(VF m, VF x) {
  const Words d;
  // m + c = c + (m / step) * step: the low mantissa bits count steps, and the
  // exponent tells which steps. Codes go on by 2 where the step doubles.
  const VU sum = hn::BitCast(d, hn::Add(m, E2m1Aligner(m)));
  const VU from_zero = hn::Sub(sum, hn::Set(d, 0x4A800000u));
  const VU magnitude = hn::Add(hn::And(from_zero, hn::Set(d, 15u)),
                               hn::ShiftRight<22>(from_zero));
  const VU sign =
      hn::And(hn::ShiftRight<28>(hn::BitCast(d, x)), hn::Set(d, 8u));
  return hn::Or(magnitude, sign);
}

// One vector of elements. kDivide: DividesElements(rule).
template <Rounding kRounding, bool kDivide>
HWY_INLINE VF QuantizeLanes(VF x, VF factor, VU random) {
  const VF scaled = kDivide ? hn::Div(x, factor) : hn::Mul(x, factor);
  return RoundMagnitude<kRounding>(scaled, random);
}

// The codes of one vector of elements.
template <Rounding kRounding, bool kDivide>
HWY_INLINE VU EncodeLanes(VF x, VF factor, VU random) {
  if (kRounding == Rounding::kNearestEven) {
    const VF scaled = kDivide ? hn::Div(x, factor) : hn::Mul(x, factor);
    return CodeOf(CappedMagnitude(scaled), x);
  }
  return CodeOf(QuantizeLanes<kRounding, kDivide>(x, factor, random), x);
}

// r >= 0 with the sign of x, times the value factor.
HWY_INLINE VF ValueOf(VF r, VF x, VF dequantize) {
  return hn::CopySignToAbs(hn::Mul(r, dequantize), x);
}

// Calls body(kRounding, kDivide) for the parameters, both as types.
template <class Body>
HWY_INLINE void DispatchElement(const KernelParams& p, const Body& body) {
  const auto divide_or_not = [&](auto rounding) {
    if (DividesElements(p.rule)) {
      body(rounding, std::true_type());
    } else {
      body(rounding, std::false_type());
    }
  };
  switch (p.rounding) {
    case Rounding::kNearestEven:
      return divide_or_not(
          std::integral_constant<Rounding, Rounding::kNearestEven>());
    case Rounding::kTiesAway:
      return divide_or_not(
          std::integral_constant<Rounding, Rounding::kTiesAway>());
    case Rounding::kTiesToZero:
      return divide_or_not(
          std::integral_constant<Rounding, Rounding::kTiesToZero>());
    case Rounding::kStochastic8:
      return divide_or_not(
          std::integral_constant<Rounding, Rounding::kStochastic8>());
    case Rounding::kStochastic:
    case Rounding::kStochasticUnbiased:
      return divide_or_not(
          std::integral_constant<Rounding, Rounding::kStochastic>());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
