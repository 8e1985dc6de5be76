#ifndef QUANT_SCALE_RULES_H_
#define QUANT_SCALE_RULES_H_

// The scalar arithmetic of every scale rule: from the tensor's amax A to
// TensorFactors, from a block's amax a to its stored scale, from the stored
// scale to BlockFactors, with which an element x becomes
//
//   code = E2M1(divides ? x / factor : x * factor),  value = q * dequantize.
//
// All in FP32, round to nearest even, one rounding for each written operation
// (no FMA, no log2f), in the order of the implementation that a rule follows:
// another order gives other bits. Host and device.
//
// Two deviations from those implementations, where theirs leave NaN or
// arbitrary codes behind: a block whose scale is zero gets factor 0 (infinity
// where the rule divides), hence zero codes with the elements' signs; and no
// factor is infinite otherwise, so 0 * factor is never NaN.

#include <cstdint>

#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/host_device.h"
#include "quant/rules.h"

namespace cnn_fp4::quant {

inline constexpr float kFloatMax = 3.402823466e+38f;
inline constexpr float kFloatMinNormal = 1.175494351e-38f;

CNN_FP4_HOST_DEVICE constexpr float MinFloat(float a, float b) {
  return a < b ? a : b;
}
CNN_FP4_HOST_DEVICE constexpr float MaxFloat(float a, float b) {
  return a > b ? a : b;
}

CNN_FP4_HOST_DEVICE constexpr uint8_t MinCode(uint8_t a, uint8_t b) {
  return a < b ? a : b;
}

// The element magnitude M that a block's amax is mapped to.
CNN_FP4_HOST_DEVICE constexpr float ElementMax(ScaleRule rule,
                                               Rounding rounding) {
  if (rule == ScaleRule::kStaticFour) return 4.0f;
  // E4M3 rounds a block scale down by a factor of at most 16/17.
  if (rounding == Rounding::kStochasticUnbiased) return 96.0f / 17.0f;
  return kE2m1Max;
}

// True where an element is x / factor, false where it is x * factor.
CNN_FP4_HOST_DEVICE constexpr bool DividesElements(ScaleRule rule) {
  return rule == ScaleRule::kModelOpt || rule == ScaleRule::kCompressedTensors;
}

// Rules whose scales are powers of two (E8M0).
CNN_FP4_HOST_DEVICE constexpr bool HasPowerOfTwoScales(ScaleRule rule) {
  return rule == ScaleRule::kPow2Floor || rule == ScaleRule::kPow2Ceil ||
         rule == ScaleRule::kPow2RoundUp || rule == ScaleRule::kPow2Even ||
         rule == ScaleRule::kPow2MidMax;
}

CNN_FP4_HOST_DEVICE constexpr bool IsFourOverSix(ScaleRule rule) {
  return rule == ScaleRule::kFourOverSixMse ||
         rule == ScaleRule::kFourOverSixMae ||
         rule == ScaleRule::kFourOverSixAbsMax;
}

// By how much the block error of the candidate taken may exceed the other's,
// measured on de-quantised values, in units of FP32's epsilon times the error:
// the sums compared are of FP32 values that are rounded in another order.
inline constexpr double kComparedErrorTolerance = 64.0;

// Errors of candidate scales are summed over elements and values times this, a
// power of two that brings the block's amax a, 0 <= a <= FLT_MAX, to [1, 2)
// ([2, 4) from 2^127 on, below 1 for subnormals): sums of squares neither
// overflow nor vanish, and the choice for 2^k x is that for x.
CNN_FP4_HOST_DEVICE constexpr float ErrorUnit(float a) {
  uint32_t exponent = BitCast<uint32_t>(a) >> 23;
  if (exponent < 1) exponent = 1;
  if (exponent > 253) exponent = 253;
  return BitCast<float>((254 - exponent) << 23);
}

// Rules that try several scales on the elements and keep the best.
CNN_FP4_HOST_DEVICE constexpr bool ComparesErrors(ScaleRule rule) {
  return IsFourOverSix(rule) || rule == ScaleRule::kBestOf126;
}

// Best of 126 tries the E4M3 codes from this one, 448, down to 1.
inline constexpr uint8_t kBestOf126First = 0x7E;

// What is common to a tensor (or a row).
struct TensorFactors {
  float amax = 0.0f;         // A.
  float element_max = 6.0f;  // M: 6; 4 for static four; 96/17 unbiased.
  float range = 2688.0f;     // M * E.
  // S = min(range / A, FLT_MAX) and 1 if A or S is 0. torchao: 1/s2.
  // compressed-tensors: g.
  float encode = 1.0f;
  // What PackedTensor::tensor_scales holds: s2 = A / range; g for
  // compressed-tensors, which divides by it; 1 without a tensor scale.
  float decode = 1.0f;
  // The largest E8M0 and FP32 scales that a block gets.
  uint8_t e8m0_max = kE8m0Max;
  float float32_max = kFloatMax;
};

// The largest amax whose tensor scale leaves every value finite. Only these two
// overflow: unbiased rounding maps A to 96/17 but rounds elements up to 6, and
// compressed-tensors' reciprocal can be too small in the last place.
CNN_FP4_HOST_DEVICE constexpr float LargestFiniteAmax(ScaleRule rule,
                                                      Rounding rounding) {
  if (rounding == Rounding::kStochasticUnbiased) return 0x1.ep127f;
  if (rule == ScaleRule::kCompressedTensors) return 0x1.fffep127f;
  return kFloatMax;
}

// given_amax is finite and not negative; -0 is 0. `finite`: every value that
// follows must be finite, as kSaturate promises.
CNN_FP4_HOST_DEVICE constexpr TensorFactors MakeTensorFactors(
    const ScaleRule rule, const Rounding rounding, const float scale_max,
    const bool has_tensor_scale, const float given_amax,
    const bool finite = false) {
  float amax = given_amax + 0.0f;  // A negative product flips signs.
  TensorFactors t;
  if (finite) {
    t.e8m0_max = kE8m0MaxFiniteProduct;
    t.float32_max = kFloatMax / kE2m1Max;
    amax = MinFloat(amax, LargestFiniteAmax(rule, rounding));
  }
  t.amax = amax;
  t.element_max = ElementMax(rule, rounding);
  t.range = t.element_max * scale_max;
  if (!has_tensor_scale) return t;
  switch (rule) {
    case ScaleRule::kTorchAo:
      t.decode = amax / t.range;
      t.encode = t.decode == 0.0f ? 0.0f : 1.0f / t.decode;
      break;
    case ScaleRule::kModelOpt:
      t.decode = amax / t.range;
      break;
    case ScaleRule::kCompressedTensors:
      t.encode = t.range * (1.0f / MaxFloat(amax, kFloatMinNormal));
      if (!(t.encode <= kFloatMax)) t.encode = 1.0f;
      t.decode = t.encode;
      break;
    default:
      t.encode = amax == 0.0f ? 1.0f : MinFloat(t.range / amax, kFloatMax);
      if (t.encode == 0.0f) t.encode = 1.0f;
      t.decode = amax / t.range;
      break;
  }
  return t;
}

// What the products of q * stored scale are multiplied by after accumulation,
// from TensorFactors::decode: itself, or 1/g for compressed-tensors.
CNN_FP4_HOST_DEVICE constexpr float OperandScale(ScaleRule rule, float decode) {
  return rule == ScaleRule::kCompressedTensors ? 1.0f / decode : decode;
}

// What is common to a block.
struct BlockFactors {
  uint8_t code = 0;         // Bits of the stored scale; 0 for FP32 scales.
  float stored = 0.0f;      // Its value.
  float factor = 0.0f;      // See the top of this file.
  float dequantize = 0.0f;  // See the top of this file.
};

// The factors of a block whose stored scale has the value `stored` (and bits
// `code`).
CNN_FP4_HOST_DEVICE constexpr BlockFactors FactorsOfStored(
    ScaleRule rule, const TensorFactors& t, uint8_t code, float stored) {
  BlockFactors b;
  b.code = code;
  b.stored = stored;
  switch (rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Ceil:
    case ScaleRule::kPow2RoundUp:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax:
      b.factor = DecodeE8m0Reciprocal(code);
      b.dequantize = stored;
      return b;
    case ScaleRule::kAmax:
    case ScaleRule::kOneLevel:
      b.factor = 1.0f / stored;
      b.dequantize = stored;
      break;
    case ScaleRule::kTorchAo:
      b.factor = t.encode / stored;
      b.dequantize = stored * t.decode;
      break;
    case ScaleRule::kModelOpt:
      b.dequantize = stored * t.decode;
      b.factor = b.dequantize;
      break;
    case ScaleRule::kCompressedTensors:
      b.dequantize = stored / t.decode;
      b.factor = b.dequantize;
      break;
    default:
      b.factor = 1.0f / (stored * (1.0f / t.encode));
      b.dequantize = stored * t.decode;
      break;
  }
  if (DividesElements(rule)) {
    if (b.factor == 0.0f) b.factor = BitCast<float>(uint32_t{0x7F800000});
  } else {
    b.factor = stored == 0.0f ? 0.0f : MinFloat(b.factor, kFloatMax);
  }
  return b;
}

CNN_FP4_HOST_DEVICE constexpr BlockFactors FactorsOfE4m3(ScaleRule rule,
                                                         const TensorFactors& t,
                                                         uint8_t code) {
  return FactorsOfStored(rule, t, code, DecodeE4m3(code));
}

// The factors of a block whose scale the caller gives, finite and not negative
// (-0 is 0), in units of the stored scale: rounded to E4M3 to nearest, to E8M0
// up.
CNN_FP4_HOST_DEVICE constexpr BlockFactors FactorsOfGivenScale(
    ScaleRule rule, ScaleFormat format, const TensorFactors& t, float given) {
  const float scale = given + 0.0f;
  switch (format) {
    case ScaleFormat::kE4m3:
      return FactorsOfE4m3(rule, t, EncodeE4m3(scale));
    case ScaleFormat::kE8m0: {
      const uint8_t code = MinCode(EncodeE8m0RoundUp(scale), t.e8m0_max);
      return FactorsOfStored(rule, t, code, DecodeE8m0(code));
    }
    case ScaleFormat::kFloat32:
      break;
  }
  return FactorsOfStored(rule, t, 0, MinFloat(scale, t.float32_max));
}

// E8M0 bits of the scale of a block with amax a, 0 <= a <= FLT_MAX. The clamp
// at 0 comes last, so subnormal a give 2^-127.
CNN_FP4_HOST_DEVICE constexpr uint8_t E8m0ScaleCode(ScaleRule rule, float a) {
  const uint32_t bits = BitCast<uint32_t>(a);
  const uint32_t mantissa = bits & 0x007FFFFFu;
  int code = static_cast<int>(bits >> 23) - 2;
  switch (rule) {
    case ScaleRule::kPow2Ceil:
      code += mantissa != 0;
      break;
    case ScaleRule::kPow2RoundUp:
      return EncodeE8m0RoundUp(a / 6.0f);
    case ScaleRule::kPow2Even:
      code = static_cast<int>((bits + (1u << 21)) >> 23) - 2;
      break;
    case ScaleRule::kPow2MidMax:
      // 7 * 2^(floor exponent) = 1.75 * 2^exponent(a).
      code += mantissa > 0x00600000u;
      break;
    default:
      break;
  }
  return static_cast<uint8_t>(code < 0 ? 0 : code);
}

// base = (a/M) * S of four-over-six: s6 = E4M3(base), s4 = E4M3(min(1.5 * base,
// 448)).
struct FourSixCodes {
  uint8_t six = 0;
  uint8_t four = 0;
};
CNN_FP4_HOST_DEVICE constexpr FourSixCodes FourOverSixCodes(
    const TensorFactors& t, float a) {
  const float base = a / t.element_max * t.encode;
  FourSixCodes codes;
  codes.six = EncodeE4m3(base);
  codes.four = EncodeE4m3(MinFloat(1.5f * base, kE4m3Max));
  return codes;
}

// The factors of a block with amax a, 0 <= a <= FLT_MAX. For the rules that
// compare errors this is the starting point: static six.
CNN_FP4_HOST_DEVICE constexpr BlockFactors MakeBlockFactors(
    ScaleRule rule, const TensorFactors& t, float a) {
  switch (rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Ceil:
    case ScaleRule::kPow2RoundUp:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax: {
      const uint8_t code = MinCode(E8m0ScaleCode(rule, a), t.e8m0_max);
      return FactorsOfStored(rule, t, code, DecodeE8m0(code));
    }
    case ScaleRule::kAmax:
      return FactorsOfStored(rule, t, 0,
                             MinFloat(a / t.element_max, t.float32_max));
    case ScaleRule::kOneLevel:
      return FactorsOfE4m3(rule, t, EncodeE4m3(a / t.element_max));
    case ScaleRule::kTorchAo: {
      // s2 = 0: every element is zero or too small for any scale.
      const float ratio = t.decode == 0.0f ? 0.0f : a / 6.0f / t.decode;
      return FactorsOfE4m3(
          rule, t,
          EncodeE4m3(MinFloat(MaxFloat(ratio, kE4m3MinNormal), kE4m3Max)));
    }
    case ScaleRule::kModelOpt: {
      const float unit = 6.0f * t.decode;
      const float ratio = unit == 0.0f ? 0.0f : a / unit;
      const float nonzero = ratio == 0.0f ? 1.0f : ratio;
      return FactorsOfE4m3(
          rule, t,
          EncodeE4m3(MinFloat(MaxFloat(nonzero, kE4m3MinPositive), kE4m3Max)));
    }
    case ScaleRule::kCompressedTensors: {
      const uint8_t code = EncodeE4m3(t.encode * (a / 6.0f));
      return FactorsOfE4m3(rule, t, code == 0 ? EncodeE4m3(0.125f) : code);
    }
    case ScaleRule::kFourOverSixMse:
    case ScaleRule::kFourOverSixMae:
    case ScaleRule::kFourOverSixAbsMax:
      return FactorsOfE4m3(rule, t, FourOverSixCodes(t, a).six);
    default:
      return FactorsOfE4m3(
          rule, t,
          EncodeE4m3(
              MinFloat(a * (t.encode * (1.0f / t.element_max)), kFloatMax)));
  }
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_SCALE_RULES_H_
