#include "quant/reference/block_quantizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/hadamard.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::reference {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void SaturateAll(Values& x) {
  x = x.unaryExpr([](float v) { return Saturate(v); });
}

uint8_t Encode(Rounding rounding, float x, int64_t index, PhiloxKey key,
               uint64_t step) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return EncodeE2m1(x);
    case Rounding::kTiesAway:
      return EncodeE2m1TiesAway(x);
    case Rounding::kTiesToZero:
      return EncodeE2m1TiesToZero(x);
    case Rounding::kStochastic8:
      return EncodeE2m1Stochastic8(x, RandomByte(index, key, step));
    default:
      return EncodeE2m1Stochastic(x, RandomWord(index, key, step));
  }
}

// The codes of a block under given factors.
std::vector<uint8_t> EncodeBlock(const BlockInput& input,
                                 const BlockFactors& factors) {
  const Values scaled = DividesElements(input.recipe.scale_rule)
                            ? Values(input.x / factors.factor)
                            : Values(input.x * factors.factor);
  std::vector<uint8_t> codes;
  for (int64_t i = 0; i < scaled.size(); ++i) {
    codes.push_back(Encode(input.recipe.rounding, scaled[i],
                           input.first_element + input.offsets[i], input.key,
                           input.step));
  }
  return codes;
}

// Summed in element order.
float SquaredError(const BlockInput& input, const BlockFactors& factors) {
  const std::vector<uint8_t> codes = EncodeBlock(input, factors);
  float error = 0.0f;
  for (size_t i = 0; i < codes.size(); ++i) {
    const float d = DecodeE2m1(codes[i]) * factors.dequantize - input.x[i];
    error += d * d;
  }
  return error;
}

// The error that four-over-six compares, over v = ((q * s8) * A) / (M * E).
float FourOverSixError(const BlockInput& input, const BlockFactors& factors) {
  const std::vector<uint8_t> codes = EncodeBlock(input, factors);
  float error = 0.0f;
  for (size_t i = 0; i < codes.size(); ++i) {
    const float v = DecodeE2m1(codes[i]) * factors.stored * input.tensor.amax /
                    input.tensor.range;
    const float d = v - input.x[i];
    switch (input.recipe.scale_rule) {
      case ScaleRule::kFourOverSixMse:
        error += d * d;
        break;
      case ScaleRule::kFourOverSixMae:
        error += std::fabs(d);
        break;
      default:
        error = std::max(error, std::fabs(d));
        break;
    }
  }
  return error;
}

BlockFactors ChooseFactors(const BlockInput& input) {
  const ScaleRule rule = input.recipe.scale_rule;
  const float amax = input.x.abs().maxCoeff();
  if (IsFourOverSix(rule)) {
    const FourSixCodes codes = FourOverSixCodes(input.tensor, amax);
    const BlockFactors six = FactorsOfE4m3(rule, input.tensor, codes.six);
    const BlockFactors four = FactorsOfE4m3(rule, input.tensor, codes.four);
    return FourOverSixError(input, four) < FourOverSixError(input, six) ? four
                                                                        : six;
  }
  if (rule == ScaleRule::kBestOf126) {
    BlockFactors best = FactorsOfE4m3(rule, input.tensor, 0x7E);
    float best_error = SquaredError(input, best);
    for (uint8_t code = 0x7D; code >= 1; --code) {
      const BlockFactors factors = FactorsOfE4m3(rule, input.tensor, code);
      const float error = SquaredError(input, factors);
      if (error < best_error) {
        best = factors;
        best_error = error;
      }
    }
    return best;
  }
  return MakeBlockFactors(rule, input.tensor, amax);
}

BlockFactors NanFactors(ScaleFormat format) {
  BlockFactors factors;
  factors.code = format == ScaleFormat::kE8m0 ? kE8m0Nan : kE4m3Nan;
  factors.stored = kNan;
  factors.dequantize = kNan;
  return factors;
}

}  // namespace

std::vector<int64_t> Offsets(const BlockGrid& grid, const BlockGrid::Block& b) {
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < b.rows; ++r) {
    for (int64_t c = 0; c < b.cols; ++c) {
      offsets.push_back(b.offset + r * grid.row_stride() +
                        c * grid.col_stride());
    }
  }
  return offsets;
}

int64_t FirstNonFinite(const Values& x) {
  for (int64_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return i;
  }
  return -1;
}

void PrepareBlock(const Recipe& recipe, const QuantizeOptions& options,
                  Values& x) {
  const bool saturate = options.nonfinite == NonFinitePolicy::kSaturate;
  if (saturate) SaturateAll(x);
  if (!recipe.hadamard) return;
  for (int64_t i = 0; i < x.size(); i += kHadamardSize) {
    RandomHadamard16(x.data() + i, options.hadamard_signs);
  }
  if (saturate) SaturateAll(x);
}

BlockOutput QuantizeBlock(const BlockInput& input) {
  BlockOutput output;
  if (FirstNonFinite(input.x) >= 0) {
    output.factors = NanFactors(input.recipe.scale_format);
    output.codes.assign(input.x.size(), 0);
    return output;
  }
  output.factors = input.given_scale.has_value()
                       ? FactorsOfGivenScale(input.recipe.scale_rule,
                                             input.recipe.scale_format,
                                             input.tensor, *input.given_scale)
                       : ChooseFactors(input);
  output.codes = EncodeBlock(input, output.factors);
  return output;
}

}  // namespace cnn_fp4::quant::reference
