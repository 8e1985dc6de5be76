// The scale arithmetic of quant/scale_rules.h in vector lanes, a block a lane.
// Included once for each instruction set by way of hwy/foreach_target.h.

#if defined(QUANT_CPU_LANE_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_LANE_SCALES_INL_H_
#undef QUANT_CPU_LANE_SCALES_INL_H_
#else
#define QUANT_CPU_LANE_SCALES_INL_H_
#endif

#include "hwy/highway.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

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

// EncodeE8m0RoundUp of v >= 0, finite.
HWY_INLINE VI E8m0RoundUp(VF v) {
  const Ints di;
  const VI bits = hn::BitCast(di, v);
  const VI up = hn::ShiftRight<23>(hn::Add(bits, hn::Set(di, 0x7FFFFF)));
  // Subnormal numbers: above 2^-127 `up` is 1, as it should be; at and below it
  // is too, but for zero.
  return hn::IfThenZeroElse(hn::Lt(bits, hn::Set(di, 0x00400001)),
                            hn::Min(up, hn::Set(di, 254)));
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
    case ScaleRule::kPow2RoundUp:
      return E8m0RoundUp(hn::Div(a, hn::Set(d, 6.0f)));
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
      const VI code =
          hn::Min(E8m0ScaleCodes(p.rule, a), hn::Set(Ints(), t.e8m0_max));
      return FactorsOfStoredLanes(p, code, E8m0Value(code));
    }
    case ScaleRule::kAmax:
      return FactorsOfStoredLanes(p, hn::Zero(Ints()),
                                  hn::Min(hn::Div(a, hn::Set(d, t.element_max)),
                                          hn::Set(d, t.float32_max)));
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

// FactorsOfGivenScale of quant/scale_rules.h.
HWY_INLINE LaneFactors FactorsOfGiven(const KernelParams& p, VF given) {
  const VF scale = hn::Add(given, hn::Zero(Floats()));
  switch (p.scale_format) {
    case ScaleFormat::kE4m3: {
      const VF s8 = RoundE4m3(scale);
      return FactorsOfStoredLanes(p, E4m3Code(s8), s8);
    }
    case ScaleFormat::kE8m0: {
      const VI code =
          hn::Min(E8m0RoundUp(scale), hn::Set(Ints(), p.tensor.e8m0_max));
      return FactorsOfStoredLanes(p, code, E8m0Value(code));
    }
    case ScaleFormat::kFloat32:
      break;
  }
  return FactorsOfStoredLanes(
      p, hn::Zero(Ints()),
      hn::Min(scale, hn::Set(Floats(), p.tensor.float32_max)));
}

// Of given scales, if the caller gives some, else of amaxes.
HWY_INLINE LaneFactors FactorsOf(const KernelParams& p, VF scales_or_amaxes) {
  return p.given_scales != nullptr ? FactorsOfGiven(p, scales_or_amaxes)
                                   : FactorsOfAmax(p, scales_or_amaxes);
}

// What values are multiplied by.
HWY_INLINE VF ValueFactor(const KernelParams& p, const LaneFactors& f) {
  return p.operand ? f.stored : f.dequantize;
}

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
