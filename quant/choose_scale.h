#ifndef QUANT_CHOOSE_SCALE_H_
#define QUANT_CHOOSE_SCALE_H_

// The definition of what quant/scale_rules.h leaves open: how an element is
// rounded, and which scale a block gets under the rules that try several on its
// elements (four-over-six, best of 126). Host and device, without memory of its
// own; a block is whatever tells its elements:
//
//   struct Block {
//     int64_t size() const;
//     float x(int64_t i) const;         // Element i, finite.
//     uint64_t index(int64_t i) const;  // Its index for the random bits.
//   };
//   const BlockFactors f = ChooseFactors(rule, rounding, tensor, amax, block);
//   const uint8_t code = CodeOf(rule, rounding, f, block.x(0), block.index(0));

#include <cstdint>

#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/host_device.h"
#include "quant/philox.h"
#include "quant/rules.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {

// How elements are rounded, and where the random bits for it come from.
struct ElementRounding {
  Rounding rounding = Rounding::kNearestEven;
  PhiloxKey key;
  uint64_t step = 0;
};

// The code of a scaled element, which is not NaN, with the random bits of
// `index`.
CNN_FP4_HOST_DEVICE constexpr uint8_t EncodeElement(const ElementRounding& r,
                                                    float scaled,
                                                    uint64_t index) {
  switch (r.rounding) {
    case Rounding::kNearestEven:
      return EncodeE2m1(scaled);
    case Rounding::kTiesAway:
      return EncodeE2m1TiesAway(scaled);
    case Rounding::kTiesToZero:
      return EncodeE2m1TiesToZero(scaled);
    case Rounding::kStochastic8:
      return EncodeE2m1Stochastic8(scaled, RandomByte(index, r.key, r.step));
    default:
      return EncodeE2m1Stochastic(scaled, RandomWord(index, r.key, r.step));
  }
}

// The code of element x of a block.
CNN_FP4_HOST_DEVICE constexpr uint8_t CodeOf(ScaleRule rule,
                                             const ElementRounding& r,
                                             const BlockFactors& f, float x,
                                             uint64_t index) {
  return EncodeElement(r, DividesElements(rule) ? x / f.factor : x * f.factor,
                       index);
}

// The error of a block under the factors f, in element order: squared,
// absolute or largest, as the rule says. Everything is in units of `unit`, that
// of the block's amax; values are ((q * s8) * A) / (M * E) under four-over-six,
// q * (s8 * (A / (M * E))) for the best of 126.
template <class Block>
CNN_FP4_HOST_DEVICE constexpr float ErrorOf(ScaleRule rule,
                                            const ElementRounding& r,
                                            const TensorFactors& t, float unit,
                                            const BlockFactors& f,
                                            const Block& block) {
  const float amax = MinFloat(t.amax * unit, kFloatMax);
  const float dequantize = f.stored * (amax / t.range);
  float error = 0.0f;
  for (int64_t i = 0; i < block.size(); ++i) {
    const float x = block.x(i);
    const float q = DecodeE2m1(CodeOf(rule, r, f, x, block.index(i)));
    const float v = rule == ScaleRule::kBestOf126
                        ? q * dequantize
                        : q * f.stored * amax / t.range;
    const float d = v - x * unit;
    if (rule == ScaleRule::kFourOverSixMae) {
      error += E2m1Abs(d);
    } else if (rule == ScaleRule::kFourOverSixAbsMax) {
      error = MaxFloat(error, E2m1Abs(d));
    } else {
      error += d * d;
    }
  }
  return error;
}

// The factors of a block with amax a, 0 <= a <= FLT_MAX.
template <class Block>
CNN_FP4_HOST_DEVICE constexpr BlockFactors ChooseFactors(
    ScaleRule rule, const ElementRounding& r, const TensorFactors& t, float a,
    const Block& block) {
  if (!ComparesErrors(rule)) return MakeBlockFactors(rule, t, a);
  const float unit = ErrorUnit(a);
  if (IsFourOverSix(rule)) {
    const FourSixCodes codes = FourOverSixCodes(t, a);
    const BlockFactors six = FactorsOfE4m3(rule, t, codes.six);
    const BlockFactors four = FactorsOfE4m3(rule, t, codes.four);
    return ErrorOf(rule, r, t, unit, four, block) <
                   ErrorOf(rule, r, t, unit, six, block)
               ? four
               : six;
  }
  BlockFactors best = FactorsOfE4m3(rule, t, kBestOf126First);
  float best_error = ErrorOf(rule, r, t, unit, best, block);
  for (uint8_t code = kBestOf126First - 1; code >= 1; --code) {
    const BlockFactors f = FactorsOfE4m3(rule, t, code);
    const float error = ErrorOf(rule, r, t, unit, f, block);
    if (error < best_error) {
      best = f;
      best_error = error;
    }
  }
  return best;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_CHOOSE_SCALE_H_
