// The arithmetic of quant/scale_rules.h and quant/formats in vector lanes.
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
  // E2m1Aligner by the low bits of the exponent, one operation less: 0 for
  // [2, 4), 1 for [4, 8). Other numbers with these bits are so far below .25
  // that they become zero with any step.
  constexpr float kOne = 4194304.0f;  // 2^22
  HWY_ALIGN static constexpr float kAligners[16] = {
      2 * kOne, 4 * kOne, kOne, kOne, kOne, kOne, kOne, kOne,
      kOne,     kOne,     kOne, kOne, kOne, kOne, kOne, kOne};
  const VU exponent = hn::ShiftRight<23>(hn::BitCast(Words(), m));
  const VF c{
      _mm512_permutexvar_ps(exponent.raw, hn::Load(Floats(), kAligners).raw)};
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
  // kStochastic: random / 2^32 < rest / step, the left side in two parts of 24
  // and 8 bits, the right side's 24 leading bits apart from what remains.
  const VF inverse_step = hn::Div(hn::Set(d, 1.0f), step);  // .5, 1 or 2.
  const VF scaled =
      hn::Mul(hn::Mul(rest, inverse_step), hn::Set(d, 16777216.0f));  // 2^24
  const VI whole = hn::ConvertTo(di, scaled);  // Truncates.
  const VF remainder =
      hn::Mul(hn::Sub(scaled, hn::ConvertTo(d, whole)), hn::Set(d, 256.0f));
  const VI high = hn::BitCast(di, hn::ShiftRight<8>(random));
  const VI low8 = hn::BitCast(di, hn::And(random, hn::Set(Words(), 255)));
  const auto less = hn::Lt(high, whole);
  const auto tie =
      hn::And(hn::Eq(high, whole),
              hn::RebindMask(di, hn::Lt(hn::ConvertTo(d, low8), remainder)));
  const auto up = hn::RebindMask(d, hn::Or(less, tie));
  return hn::Min(hn::Add(low, hn::IfThenElseZero(up, step)), six);
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

// E4M3 of v >= 0 as FP32: nearest even, saturating at 448.
HWY_INLINE VF RoundE4m3(VF v) {
  const Floats d;
  const VF m = hn::Min(v, hn::Set(d, kE4m3Max));
  const VF c = hn::Mul(hn::Max(PowerBelow(m), hn::Set(d, kE4m3MinNormal)),
                       hn::Set(d, 1048576.0f));  // 2^20
  return hn::Sub(hn::Add(m, c), c);
}

// The bits of an E4M3 value >= 0 given as FP32.
HWY_INLINE VI E4m3Code(VF s) {
  const Floats d;
  const Ints di;
  const VI normal =
      hn::ShiftRight<20>(hn::Sub(hn::BitCast(di, s), hn::Set(di, 120 << 23)));
  const VI subnormal = hn::ConvertTo(di, hn::Mul(s, hn::Set(d, 512.0f)));
  const auto is_normal = hn::Ge(s, hn::Set(d, kE4m3MinNormal));
  return hn::IfThenElse(hn::RebindMask(di, is_normal), normal, subnormal);
}

// E8M0 code -> 2^(code - 127), code 0 .. 254.
HWY_INLINE VF E8m0Value(VI code) {
  const Ints di;
  const VI bits =
      hn::IfThenElse(hn::Eq(code, hn::Zero(di)), hn::Set(di, 0x00400000),
                     hn::ShiftLeft<23>(code));
  return hn::BitCast(Floats(), bits);
}

HWY_INLINE VI E8m0ScaleCodes(ScaleRule rule, VF a) {
  const Floats d;
  const Ints di;
  const VI one = hn::Set(di, 1);
  const VI zero = hn::Zero(di);
  const VI bits = hn::BitCast(di, a);
  const VI mantissa = hn::And(bits, hn::Set(di, 0x007FFFFF));
  VI code = hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 2));
  switch (rule) {
    case ScaleRule::kPow2Ceil:
      code = hn::Add(code, hn::IfThenElseZero(hn::Gt(mantissa, zero), one));
      break;
    case ScaleRule::kPow2RoundUp: {
      const VI q = hn::BitCast(di, hn::Div(a, hn::Set(d, 6.0f)));
      const VI up = hn::ShiftRight<23>(hn::Add(q, hn::Set(di, 0x7FFFFF)));
      // Subnormal quotients: above 2^-127 `up` is 1, as it should be; at and
      // below it is too, but for zero.
      return hn::IfThenZeroElse(hn::Lt(q, hn::Set(di, 0x00400001)), up);
    }
    case ScaleRule::kPow2Even:
      code = hn::Sub(hn::ShiftRight<23>(hn::Add(bits, hn::Set(di, 1 << 21))),
                     hn::Set(di, 2));
      break;
    case ScaleRule::kPow2MidMax:
      code = hn::Add(code, hn::IfThenElseZero(
                               hn::Gt(mantissa, hn::Set(di, 0x00600000)), one));
      break;
    default:
      break;
  }
  return hn::Max(code, zero);
}

// The four members of BlockFactors, a block a lane.
struct LaneFactors {
  VI code;
  VF stored;
  VF factor;
  VF dequantize;
};

// FactorsOfStored of quant/scale_rules.h; `code` is passed on.
HWY_INLINE LaneFactors FactorsOfStoredLanes(const KernelParams& p, VI code,
                                            VF stored) {
  const Floats d;
  const VF zero = hn::Zero(d);
  const VF one = hn::Set(d, 1.0f);
  const VF decode = hn::Set(d, p.tensor.decode);
  VF factor;
  VF dequantize = stored;
  switch (p.rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Ceil:
    case ScaleRule::kPow2RoundUp:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax:
      factor = E8m0Value(hn::Sub(hn::Set(Ints(), 254), code));
      return {code, stored, factor, dequantize};
    case ScaleRule::kModelOpt:
    case ScaleRule::kCompressedTensors:
      dequantize = p.rule == ScaleRule::kModelOpt ? hn::Mul(stored, decode)
                                                  : hn::Div(stored, decode);
      factor = hn::IfThenElse(hn::Eq(dequantize, zero), FloatOfBits(0x7F800000),
                              dequantize);
      return {code, stored, factor, dequantize};
    case ScaleRule::kAmax:
    case ScaleRule::kOneLevel:
      factor = hn::Div(one, stored);
      break;
    case ScaleRule::kTorchAo:
      factor = hn::Div(hn::Set(d, p.tensor.encode), stored);
      dequantize = hn::Mul(stored, decode);
      break;
    default:
      factor =
          hn::Div(one, hn::Mul(stored, hn::Set(d, 1.0f / p.tensor.encode)));
      dequantize = hn::Mul(stored, decode);
      break;
  }
  factor = hn::Min(factor, hn::Set(d, kFloatMax));
  factor = hn::IfThenElse(hn::Eq(stored, zero), zero, factor);
  return {code, stored, factor, dequantize};
}

// MakeBlockFactors of quant/scale_rules.h: from the amaxes a.
HWY_INLINE LaneFactors FactorsOfAmax(const KernelParams& p, VF a) {
  const Floats d;
  const TensorFactors& t = p.tensor;
  VF scale;
  switch (p.rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Ceil:
    case ScaleRule::kPow2RoundUp:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax: {
      const VI code = E8m0ScaleCodes(p.rule, a);
      return FactorsOfStoredLanes(p, code, E8m0Value(code));
    }
    case ScaleRule::kAmax:
      return FactorsOfStoredLanes(p, hn::Zero(Ints()),
                                  hn::Div(a, hn::Set(d, t.element_max)));
    case ScaleRule::kOneLevel:
      scale = hn::Div(a, hn::Set(d, t.element_max));
      break;
    case ScaleRule::kTorchAo: {
      const VF six = hn::Set(d, 6.0f);
      const VF ratio = t.decode == 0.0f
                           ? hn::Zero(d)
                           : hn::Div(hn::Div(a, six), hn::Set(d, t.decode));
      scale = hn::Max(ratio, hn::Set(d, kE4m3MinNormal));
      break;
    }
    case ScaleRule::kModelOpt: {
      const float unit = 6.0f * t.decode;
      const VF ratio =
          unit == 0.0f ? hn::Zero(d) : hn::Div(a, hn::Set(d, unit));
      const VF nonzero =
          hn::IfThenElse(hn::Eq(ratio, hn::Zero(d)), hn::Set(d, 1.0f), ratio);
      scale = hn::Max(nonzero, hn::Set(d, kE4m3MinPositive));
      break;
    }
    case ScaleRule::kCompressedTensors: {
      const VF sixth = hn::Div(a, hn::Set(d, 6.0f));
      const VF s8 = RoundE4m3(hn::Mul(hn::Set(d, t.encode), sixth));
      const VF s =
          hn::IfThenElse(hn::Eq(s8, hn::Zero(d)), hn::Set(d, 0.125f), s8);
      return FactorsOfStoredLanes(p, E4m3Code(s), s);
    }
    default:
      scale = hn::Mul(a, hn::Set(d, t.encode * (1.0f / t.element_max)));
      break;
  }
  const VF s8 = RoundE4m3(scale);
  return FactorsOfStoredLanes(p, E4m3Code(s8), s8);
}

// What values are multiplied by.
HWY_INLINE VF ValueFactor(const KernelParams& p, const LaneFactors& f) {
  return p.operand ? f.stored : f.dequantize;
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
