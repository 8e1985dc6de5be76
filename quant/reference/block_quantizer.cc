#include "quant/reference/block_quantizer.h"

#include <cmath>
#include <limits>

#include "quant/choose_scale.h"
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

// quant/choose_scale.h's view of a block.
struct Elements {
  const BlockInput& input;

  int64_t size() const { return input.x.size(); }
  float x(int64_t i) const { return input.x[i]; }
  uint64_t index(int64_t i) const {
    return input.first_element + input.offsets[i];
  }
};

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
  const ScaleRule rule = input.recipe.scale_rule;
  const ElementRounding rounding{input.recipe.rounding, input.key, input.step};
  const Elements elements{input};
  output.factors = input.given_scale.has_value()
                       ? FactorsOfGivenScale(rule, input.recipe.scale_format,
                                             input.tensor, *input.given_scale)
                       : ChooseFactors(rule, rounding, input.tensor,
                                       input.x.abs().maxCoeff(), elements);
  for (int64_t i = 0; i < elements.size(); ++i) {
    output.codes.push_back(CodeOf(rule, rounding, output.factors, elements.x(i),
                                  elements.index(i)));
  }
  return output;
}

}  // namespace cnn_fp4::quant::reference
