#include "nn/conv_precision.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"

namespace cnn_fp4::nn {
namespace {

OperandFormat Plain(PlainFormat format) { return {format, {}}; }

OperandFormat Fp4(absl::string_view recipe_name, Blocking blocking) {
  absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(recipe_name);
  CHECK(recipe.ok()) << recipe.status();
  return {*std::move(recipe), blocking};
}

ConvPrecision AllPlain(absl::string_view name, PlainFormat format) {
  ConvPrecision precision;
  precision.name = std::string(name);
  precision.fprop_x = precision.fprop_w = Plain(format);
  precision.dgrad_dy = precision.wgrad_dy = Plain(format);
  precision.result = format;
  return precision;
}

// FP4 operands in fprop, straight-through in the backward pass.
ConvPrecision Forward(absl::string_view name, OperandFormat x,
                      OperandFormat w) {
  ConvPrecision precision;
  precision.name = std::string(name);
  precision.fprop_x = std::move(x);
  precision.fprop_w = std::move(w);
  return precision;
}

ConvPrecision ReductionAxis(absl::string_view name, absl::string_view recipe) {
  const OperandFormat operand = Fp4(recipe, Blocking::kReductionAxis);
  return Forward(name, operand, operand);
}

const std::vector<ConvPrecision>& Registry() {
  static const auto* const registry = new std::vector<ConvPrecision>{
      AllPlain("fp32", PlainFormat::kFloat32),
      AllPlain("fp16", PlainFormat::kFloat16),
      Forward("nvfp4_seed", Fp4("pow2_1x16", Blocking::kLastDimension),
              Fp4("pow2_1x16", Blocking::kFlattened)),
      ReductionAxis("nvfp4", "nvfp4"),
      ReductionAxis("mxfp4", "mxfp4"),
  };
  return *registry;
}

}  // namespace

bool ConvPrecision::needs_loss_scaling() const {
  return result == PlainFormat::kFloat16;
}

bool ConvPrecision::quantized() const {
  return fprop_x.recipe() || fprop_w.recipe() || dgrad_dy.recipe() ||
         wgrad_dy.recipe() || (dgrad_w && dgrad_w->recipe()) ||
         (wgrad_x && wgrad_x->recipe());
}

bool ConvPrecision::full_precision() const {
  const OperandFormat fp32;
  return fprop_x == fp32 && fprop_w == fp32 && dgrad_dy == fp32 &&
         wgrad_dy == fp32 && dgrad_w.value_or(fp32) == fp32 &&
         wgrad_x.value_or(fp32) == fp32 && result == PlainFormat::kFloat32;
}

absl::StatusOr<ConvPrecision> FindConvPrecision(absl::string_view name) {
  for (const ConvPrecision& precision : Registry()) {
    if (precision.name == name) return precision;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown precision policy '", name,
                   "'; known: ", absl::StrJoin(ConvPrecisionNames(), ", ")));
}

std::vector<std::string> ConvPrecisionNames() {
  std::vector<std::string> names;
  for (const ConvPrecision& precision : Registry()) {
    names.push_back(precision.name);
  }
  return names;
}

}  // namespace cnn_fp4::nn
