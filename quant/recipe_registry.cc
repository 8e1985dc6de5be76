#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {
namespace {

Recipe Nvfp4(absl::string_view name, ScaleRule rule) {
  Recipe recipe;
  recipe.name = std::string(name);
  recipe.scale_rule = rule;
  return recipe;
}

Recipe FourOverSix(absl::string_view name, ScaleRule rule, float scale_max) {
  Recipe recipe = Nvfp4(name, rule);
  recipe.scale_max = scale_max;
  return recipe;
}

Recipe PowerOfTwo(absl::string_view name, ScaleRule rule, int64_t block) {
  Recipe recipe;
  recipe.name = std::string(name);
  recipe.scale_format = ScaleFormat::kE8m0;
  recipe.scale_rule = rule;
  recipe.tensor_scale = TensorScale::kNone;
  recipe.block_cols = block;
  return recipe;
}

Recipe WholeAxis(absl::string_view name) {
  Recipe recipe;
  recipe.name = std::string(name);
  recipe.scale_format = ScaleFormat::kFloat32;
  recipe.scale_rule = ScaleRule::kAmax;
  recipe.tensor_scale = TensorScale::kNone;
  recipe.block_cols = 0;
  return recipe;
}

void AddNvfp4(std::vector<NamedRecipe>& all) {
  all.push_back({Nvfp4("nvfp4", ScaleRule::kTransformerEngine),
                 "S = min(2688/A, FLT_MAX); s8 = E4M3(a * (S * (1/6))); code = "
                 "E2M1(x * min(1 / (s8 * (1/S)), FLT_MAX)); blocks of 16.",
                 "TransformerEngine, core_nvfp4.cuh and its Python reference",
                 "The default: what NVFP4 training computes."});

  Recipe tiles = Nvfp4("nvfp4_2d", ScaleRule::kTransformerEngine);
  tiles.block_rows = 16;
  all.push_back({tiles, "nvfp4 with one scale for a tile of 16 x 16.",
                 "TransformerEngine's 2-D weight quantisation",
                 "Weights whose transpose must have the same codes (dgrad)."});

  Recipe rows = Nvfp4("nvfp4_rowscaled", ScaleRule::kTransformerEngine);
  rows.tensor_scale = TensorScale::kPerRow;
  all.push_back({rows, "nvfp4 with A the amax of a row instead of a tensor.",
                 "TransformerEngine, row_scaled",
                 "Activations whose rows differ by orders of magnitude."});

  const struct {
    const char* suffix;
    ScaleRule rule;
    const char* error;
  } kChoices[] = {
      {"", ScaleRule::kFourOverSixMse, "sum of squared errors"},
      {"_mae", ScaleRule::kFourOverSixMae, "sum of absolute errors"},
      {"_absmax", ScaleRule::kFourOverSixAbsMax, "largest absolute error"},
  };
  for (const float scale_max : {256.0f, 448.0f}) {
    for (const auto& choice : kChoices) {
      const std::string name = std::string("nvfp4_four_over_six") +
                               choice.suffix +
                               (scale_max == 448.0f ? "_448" : "");
      all.push_back(
          {FourOverSix(name, choice.rule, scale_max),
           std::string("S = min(6E/A, FLT_MAX), E = ") +
               (scale_max == 448.0f ? "448" : "256") +
               "; base = (a/6)*S; s6 = E4M3(base), s4 = E4M3(min(1.5*base, "
               "448)); s4 where its " +
               choice.error + " is strictly smaller.",
           "Four Over Six (arXiv 2512.02010), TransformerEngine's 4over6",
           "Post-training and RL: about 0.8 dB over nvfp4."});
    }
  }

  all.push_back({Nvfp4("nvfp4_static4", ScaleRule::kStaticFour),
                 "nvfp4 with the block's amax mapped to 4 instead of 6.",
                 "fouroversix, static_4", "The other end of four-over-six."});
  all.push_back({Nvfp4("nvfp4_mse", ScaleRule::kBestOf126),
                 "Of the 126 positive E4M3 codes the one of least squared "
                 "error, ties to the larger; elements as in nvfp4.",
                 "Model-Optimizer, NVFP4MSECalibrator",
                 "Weights quantised once: the best that the format can do."});

  Recipe one_level = Nvfp4("nvfp4_1level", ScaleRule::kOneLevel);
  one_level.tensor_scale = TensorScale::kNone;
  all.push_back({one_level,
                 "s8 = E4M3(a/6), code = E2M1(x * min(1/s8, FLT_MAX)).",
                 "llama.cpp's idea, torchao without a tensor scale (its floor "
                 "left out)",
                 "Data of amplitude near one; small gradients vanish."});
  all.push_back({Nvfp4("nvfp4_torchao", ScaleRule::kTorchAo),
                 "s2 = A/2688; s8 = E4M3(clamp((a/6)/s2, 2^-6, 448)); code = "
                 "E2M1(x * ((1/s2)/s8)).",
                 "torchao, nvfp4_tensor.py", "Checkpoints made by torchao."});
  all.push_back({Nvfp4("nvfp4_modelopt", ScaleRule::kModelOpt),
                 "s2 = A/2688; s8 = E4M3(clamp(a/(6*s2), 2^-9, 448)), 0 taken "
                 "as 1; code = E2M1(x / (s8*s2)).",
                 "Model-Optimizer, NVFP4QTensor",
                 "Checkpoints made by Model-Optimizer."});
  all.push_back(
      {Nvfp4("nvfp4_compressed_tensors", ScaleRule::kCompressedTensors),
       "g = 2688 * (1/max(A, FLT_MIN)), 1 if not finite; s8 = "
       "E4M3(g*(a/6)), 0 becoming 0.125; code = E2M1(x / (s8/g)).",
       "compressed-tensors, helpers.py", "Checkpoints for vLLM."});
}

void AddPowersOfTwo(std::vector<NamedRecipe>& all) {
  const std::string what_rceil =
      "Scale 2^ceil(log2(a/6)) by exponent bits: nothing saturates.";
  all.push_back({PowerOfTwo("mxfp4", ScaleRule::kPow2RoundUp, 32), what_rceil,
                 "torchao's and cuBLAS' RCEIL", "MX: the default."});
  const struct {
    const char* name;
    ScaleRule rule;
    const char* what;
    const char* anchor;
    const char* use;
  } kModes[] = {
      {"mxfp4_floor", ScaleRule::kPow2Floor, "Scale 2^(exponent(a) - 2).",
       "OCP Microscaling Formats 1.0, microxcaling",
       "What the specification says; clips up to a quarter of the amax."},
      {"mxfp4_ceil", ScaleRule::kPow2Ceil,
       "floor, +1 unless a is a power of two.", "torchao, CEIL",
       "Comparison: never clips, wastes half a bit."},
      {"mxfp4_rceil", ScaleRule::kPow2RoundUp,
       "Scale 2^ceil(log2(a/6)) by exponent bits: nothing saturates.",
       "torchao, RCEIL", "mxfp4 by its full name."},
      {"mxfp4_even", ScaleRule::kPow2Even,
       "Exponent of a rounded to one mantissa bit, - 2.",
       "torchao EVEN, compressed-tensors' round_to_power_2",
       "Checkpoints for vLLM; best SQNR of the five."},
      {"mxfp4_midmax", ScaleRule::kPow2MidMax,
       "floor, +1 if a > 7 * 2^(floor exponent).", "brevitas", "As even."},
  };
  for (const auto& mode : kModes) {
    all.push_back({PowerOfTwo(mode.name, mode.rule, 32), mode.what, mode.anchor,
                   mode.use});
  }
  all.push_back({PowerOfTwo("pow2_1x16", ScaleRule::kPow2RoundUp, 16),
                 what_rceil + " Blocks of 16.",
                 "TransformerEngine's reference with pow_2_scales",
                 "The tile scaling of the first experiments of this kind."});
}

void AddUnrounded(std::vector<NamedRecipe>& all) {
  all.push_back({WholeAxis("fp4_per_tensor"),
                 "s = a/6 in FP32, code = E2M1(x * min(1/s, FLT_MAX)); the "
                 "whole axis is one block: use BlockGrid::Flat.",
                 "Plain symmetric quantisation",
                 "The baseline that shows what blocks are good for."});
  all.push_back({WholeAxis("fp4_per_channel"),
                 "As fp4_per_tensor, one scale for each position outside the "
                 "axis: BlockGrid::Along({O, I*kh*kw}, 1).",
                 "Plain symmetric quantisation",
                 "Weights, one scale a filter."});
}

}  // namespace

absl::Span<const NamedRecipe> RecipeRegistry() {
  static const auto* const registry = [] {
    auto* all = new std::vector<NamedRecipe>();
    AddNvfp4(*all);
    AddPowersOfTwo(*all);
    AddUnrounded(*all);
    return all;
  }();
  return *registry;
}

}  // namespace cnn_fp4::quant
