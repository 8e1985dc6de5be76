#include "quant/recipe.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace cnn_fp4::quant {
namespace {

// A word that may follow a recipe's name, and what it sets.
struct Modifier {
  const char* name;
  Rounding rounding;
};

constexpr Modifier kRoundingModifiers[] = {
    {"nearest", Rounding::kNearestEven},
    {"ties_away", Rounding::kTiesAway},
    {"ties_to_zero", Rounding::kTiesToZero},
    {"sr8", Rounding::kStochastic8},
    {"sr", Rounding::kStochastic},
    {"sr_unbiased", Rounding::kStochasticUnbiased},
};

constexpr absl::string_view kHadamardModifier = "rht";
constexpr absl::string_view kBlockModifier = "block=";

bool ApplyModifier(absl::string_view modifier, Recipe& recipe) {
  for (const Modifier& m : kRoundingModifiers) {
    if (modifier == m.name) {
      recipe.rounding = m.rounding;
      return true;
    }
  }
  if (modifier == kHadamardModifier) {
    recipe.hadamard = true;
    return true;
  }
  if (absl::StartsWith(modifier, kBlockModifier)) {
    modifier.remove_prefix(kBlockModifier.size());
    return absl::SimpleAtoi(modifier, &recipe.block_cols);
  }
  return false;
}

const char* Name(ScaleFormat format) {
  switch (format) {
    case ScaleFormat::kE4m3:
      return "e4m3";
    case ScaleFormat::kE8m0:
      return "e8m0";
    case ScaleFormat::kFloat32:
      return "float32";
  }
  return "?";
}

const char* Name(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kTransformerEngine:
      return "transformer_engine";
    case ScaleRule::kFourOverSixMse:
      return "four_over_six_mse";
    case ScaleRule::kFourOverSixMae:
      return "four_over_six_mae";
    case ScaleRule::kFourOverSixAbsMax:
      return "four_over_six_absmax";
    case ScaleRule::kStaticFour:
      return "static_four";
    case ScaleRule::kBestOf126:
      return "best_of_126";
    case ScaleRule::kOneLevel:
      return "one_level";
    case ScaleRule::kTorchAo:
      return "torchao";
    case ScaleRule::kModelOpt:
      return "modelopt";
    case ScaleRule::kCompressedTensors:
      return "compressed_tensors";
    case ScaleRule::kPow2Floor:
      return "pow2_floor";
    case ScaleRule::kPow2Ceil:
      return "pow2_ceil";
    case ScaleRule::kPow2RoundUp:
      return "pow2_rceil";
    case ScaleRule::kPow2Even:
      return "pow2_even";
    case ScaleRule::kPow2MidMax:
      return "pow2_midmax";
    case ScaleRule::kAmax:
      return "amax";
  }
  return "?";
}

const char* Name(TensorScale scale) {
  switch (scale) {
    case TensorScale::kNone:
      return "none";
    case TensorScale::kPerTensor:
      return "per_tensor";
    case TensorScale::kPerRow:
      return "per_row";
  }
  return "?";
}

const char* Name(Rounding rounding) {
  for (const Modifier& m : kRoundingModifiers) {
    if (m.rounding == rounding) return m.name;
  }
  return "?";
}

// Rules that leave room for elements beyond 6 times the scale, and those that
// follow another library: neither has an unbiased stochastic rounding.
bool HasUnbiasedRange(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax:
    case ScaleRule::kBestOf126:
    case ScaleRule::kStaticFour:
    case ScaleRule::kTorchAo:
    case ScaleRule::kModelOpt:
    case ScaleRule::kCompressedTensors:
      return false;
    default:
      return true;
  }
}

ScaleFormat FormatOf(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kPow2Floor:
    case ScaleRule::kPow2Ceil:
    case ScaleRule::kPow2RoundUp:
    case ScaleRule::kPow2Even:
    case ScaleRule::kPow2MidMax:
      return ScaleFormat::kE8m0;
    case ScaleRule::kAmax:
      return ScaleFormat::kFloat32;
    default:
      return ScaleFormat::kE4m3;
  }
}

}  // namespace

bool operator==(const Recipe& a, const Recipe& b) {
  return a.name == b.name && a.scale_format == b.scale_format &&
         a.scale_rule == b.scale_rule && a.tensor_scale == b.tensor_scale &&
         a.rounding == b.rounding && a.block_rows == b.block_rows &&
         a.block_cols == b.block_cols && a.hadamard == b.hadamard &&
         a.scale_max == b.scale_max;
}

absl::StatusOr<Recipe> FindRecipe(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '+');
  std::vector<absl::string_view> known;
  for (const NamedRecipe& named : RecipeRegistry()) {
    known.emplace_back(named.recipe.name);
    if (named.recipe.name != parts[0]) continue;
    Recipe recipe = named.recipe;
    for (size_t i = 1; i < parts.size(); ++i) {
      if (!ApplyModifier(parts[i], recipe)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "recipe '", name, "': unknown modifier '", parts[i],
            "'; known: ties_away, ties_to_zero, sr8, sr, sr_unbiased, "
            "nearest, rht, block=N"));
      }
    }
    recipe.name = std::string(name);
    if (absl::Status status = ValidateRecipe(recipe); !status.ok()) {
      return status;
    }
    return recipe;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown recipe '", name, "'; known: ", absl::StrJoin(known, ", ")));
}

absl::Status ValidateRecipe(const Recipe& recipe) {
  const auto error = [&recipe](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe '", recipe.name, "': ", what));
  };
  if (recipe.scale_format != FormatOf(recipe.scale_rule)) {
    return error(absl::StrCat("the rule ", Name(recipe.scale_rule),
                              " gives scales in ",
                              Name(FormatOf(recipe.scale_rule)), ", not in ",
                              Name(recipe.scale_format)));
  }
  if (recipe.block_rows < 1 || recipe.block_cols < 0) {
    return error("block extents must be positive (block_cols 0: whole axis)");
  }
  if (recipe.tensor_scale == TensorScale::kPerRow && recipe.block_rows != 1) {
    return error("a tensor scale for each row needs 1-D blocks");
  }
  const bool one_level = recipe.scale_format != ScaleFormat::kE4m3 ||
                         recipe.scale_rule == ScaleRule::kOneLevel;
  if (one_level != (recipe.tensor_scale == TensorScale::kNone)) {
    return error(one_level ? "the rule has no tensor scale"
                           : "the rule needs a tensor scale");
  }
  if (recipe.hadamard && (recipe.block_rows != 1 || recipe.block_cols == 0 ||
                          recipe.block_cols % 16 != 0)) {
    return error("the Hadamard transform needs 1-D blocks of a multiple of 16");
  }
  if (recipe.rounding == Rounding::kStochasticUnbiased &&
      !HasUnbiasedRange(recipe.scale_rule)) {
    return error(absl::StrCat("elements saturate under the rule ",
                              Name(recipe.scale_rule),
                              ", so sr_unbiased would be biased; take sr"));
  }
  if (!(recipe.scale_max >= 1.0f && recipe.scale_max <= 448.0f)) {
    return error("scale_max must lie in [1, 448]");
  }
  return absl::OkStatus();
}

std::string ToString(const Recipe& recipe) {
  return absl::StrCat(
      recipe.name, "{element=e2m1 rounding=", Name(recipe.rounding),
      " scale=", Name(recipe.scale_format), ":", Name(recipe.scale_rule),
      " tensor_scale=", Name(recipe.tensor_scale), " block=", recipe.block_rows,
      "x", recipe.block_cols == 0 ? "all" : absl::StrCat(recipe.block_cols),
      " scale_max=", recipe.scale_max,
      " hadamard=", recipe.hadamard ? "yes" : "no", "}");
}

}  // namespace cnn_fp4::quant
