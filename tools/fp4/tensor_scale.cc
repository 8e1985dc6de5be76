#include "tools/fp4/tensor_scale.h"

#include <algorithm>
#include <limits>

namespace cnn_fp4::fp4 {

namespace {

constexpr float kMax = std::numeric_limits<float>::max();

}  // namespace

bool StoresReciprocal(Layout layout, const quant::Recipe& recipe) {
  const bool file_divides = layout == Layout::kCompressedTensors;
  const bool recipe_divides =
      recipe.scale_rule == quant::ScaleRule::kCompressedTensors;
  return file_divides != recipe_divides;
}

safetensors::DType ScaleDType(Layout layout, const quant::Recipe& recipe) {
  switch (recipe.scale_format) {
    case quant::ScaleFormat::kE4m3:
      return safetensors::DType::kF8E4m3;
    case quant::ScaleFormat::kE8m0:
      return layout == Layout::kModelOpt ? safetensors::DType::kF8E8m0
                                         : safetensors::DType::kU8;
    case quant::ScaleFormat::kFloat32:
      break;
  }
  return safetensors::DType::kF32;
}

quant::Recipe RecipeOfFile(Layout layout, quant::Recipe recipe) {
  if (!StoresReciprocal(layout, recipe)) return recipe;
  recipe.scale_rule = layout == Layout::kCompressedTensors
                          ? quant::ScaleRule::kCompressedTensors
                          : quant::ScaleRule::kModelOpt;
  // Not every rule goes with every rounding, which codes no longer know.
  recipe.rounding = quant::Rounding::kNearestEven;
  return recipe;
}

float Reciprocal(float scale) { return std::min(1.0f / scale, kMax); }

float Divisor(const quant::Recipe& recipe, float amax) {
  if (amax == 0.0f) return 1.0f;
  // The largest element that a block's amax is mapped to; E4M3 can round a
  // scale down by 16/17, which unbiased rounding leaves room for.
  float element_max = 6.0f;
  if (recipe.scale_rule == quant::ScaleRule::kStaticFour) element_max = 4.0f;
  if (recipe.rounding == quant::Rounding::kStochasticUnbiased) {
    element_max = 96.0f / 17.0f;
  }
  return std::min(element_max * recipe.scale_max / amax, kMax);
}

}  // namespace cnn_fp4::fp4
