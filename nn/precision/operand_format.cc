#include "nn/precision/operand_format.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "quant/recipe.h"

namespace cnn_fp4::nn {
namespace {

// After a recipe.
constexpr absl::string_view kScaled = "+scaled";
constexpr absl::string_view kLsq = "+lsq";
constexpr absl::string_view kPact = "+pact";
constexpr absl::string_view kPerTensor = "fp4_per_tensor";

absl::Status CheckRecipe(const quant::Recipe& recipe, Operand operand) {
  if (recipe.hadamard && operand != Operand::kWgradDy &&
      operand != Operand::kWgradX) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe ", recipe.name,
                     " rotates its blocks, which only the operands of wgrad "
                     "(wgrad_dy and wgrad_x, both) can have"));
  }
  if (recipe.tensor_scale == quant::TensorScale::kPerRow) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe ", recipe.name,
        " has a scale for each row, which cannot be applied after the sum"));
  }
  const bool weight =
      operand == Operand::kFpropW || operand == Operand::kDgradW;
  if (recipe.block_rows > 1 && !weight) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe ", recipe.name, " has blocks of ", recipe.block_rows, "x",
        recipe.block_cols, ", which only weights (fprop_w, dgrad_w) can have"));
  }
  return absl::OkStatus();
}

// `suffix` is that of a format whose scale is learnt.
absl::Status CheckLearned(const quant::Recipe& recipe, Operand operand,
                          absl::string_view suffix) {
  const bool weight = suffix == kLsq;
  if (operand != (weight ? Operand::kFpropW : Operand::kFpropX)) {
    return absl::InvalidArgumentError(
        absl::StrCat(suffix, " is for ", weight ? "fprop_w" : "fprop_x",
                     " alone, not for ", OperandName(operand)));
  }
  if (recipe.block_rows > 1 || quant::IsStochastic(recipe.rounding) ||
      recipe.scale_format == quant::ScaleFormat::kE8m0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe ", recipe.name, " has no scale that could be learnt: ", suffix,
        " wants 1-D blocks, nearest rounding and scales in E4M3 or FP32, as in "
        "nvfp4",
        suffix));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OperandFormat> ParseOperandFormat(absl::string_view text,
                                                 Operand operand) {
  if (const auto plain = FindPlainFormat(text); plain.has_value()) {
    return OperandFormat{*plain, {}};
  }
  absl::string_view name = text;
  const bool scaled = absl::ConsumeSuffix(&name, kScaled);
  absl::string_view learned;
  for (const absl::string_view suffix : {kLsq, kPact}) {
    if (absl::ConsumeSuffix(&name, suffix)) learned = suffix;
  }
  absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(name);
  if (!recipe.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is neither fp32, fp16 nor bf16 nor a recipe (",
        recipe.status().message(), ")"));
  }
  if (absl::Status status = CheckRecipe(*recipe, operand); !status.ok()) {
    return status;
  }
  OperandFormat format{*std::move(recipe), Blocking::kReductionAxis, scaled};
  if (learned.empty()) return format;
  if (absl::Status status = CheckLearned(*format.recipe(), operand, learned);
      !status.ok()) {
    return status;
  }
  format.learned = true;
  // One block, wherever the operand's own blocks would lie.
  if (name == kPerTensor) format.blocking = Blocking::kFlattened;
  return format;
}

}  // namespace cnn_fp4::nn
