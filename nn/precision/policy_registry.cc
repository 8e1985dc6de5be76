// The named policies: adding one is adding an entry to Policies().

#include "absl/status/statusor.h"
#include "glog/logging.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

OperandFormat Fp4(absl::string_view recipe_name, Blocking blocking) {
  absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(recipe_name);
  CHECK(recipe.ok()) << recipe.status();
  return {*std::move(recipe), blocking};
}

// FP4 operands in fprop, FP32 gradients and results: straight-through.
ConvPrecision Forward(OperandFormat x, OperandFormat w) {
  ConvPrecision precision;
  precision.fprop_x = std::move(x);
  precision.fprop_w = std::move(w);
  return precision;
}

ConvPrecision ForwardAlongReduction(absl::string_view recipe) {
  const OperandFormat operand = Fp4(recipe, Blocking::kReductionAxis);
  return Forward(operand, operand);
}

NamedPolicy Plain(absl::string_view name, absl::string_view what,
                  PlainFormat format, bool loss_scaling) {
  NamedPolicy policy;
  policy.name = std::string(name);
  policy.what = std::string(what);
  policy.precision = policy.output = ConvPrecision::Plain(format);
  policy.loss_scaling = loss_scaling;
  return policy;
}

// The output layer, GroupNorm and everything between the layers stay in FP32.
NamedPolicy Fp4Policy(absl::string_view name, absl::string_view what,
                      ConvPrecision precision,
                      std::vector<std::string> aliases = {}) {
  NamedPolicy policy;
  policy.name = std::string(name);
  policy.what = std::string(what);
  policy.precision = std::move(precision);
  policy.output = ConvPrecision::Plain(PlainFormat::kFloat32);
  policy.aliases = std::move(aliases);
  return policy;
}

}  // namespace

absl::Span<const NamedPolicy> Policies() {
  static const auto* const policies = new std::vector<NamedPolicy>{
      Plain("fp32", "Everything in FP32.", PlainFormat::kFloat32, false),
      Plain("fp16",
            "Operands and results of every convolution in FP16, sums in FP32, "
            "dynamic loss scaling: mixed precision as torch.autocast does it.",
            PlainFormat::kFloat16, true),
      Fp4Policy("nvfp4_seed",
                "Operands of the forward pass with one power-of-two scale for "
                "16 elements, activations in tiles along the width, weights "
                "flattened; the gradients are straight-through in FP32.",
                Forward(Fp4("pow2_1x16", Blocking::kLastDimension),
                        Fp4("pow2_1x16", Blocking::kFlattened))),
      Fp4Policy("nvfp4_forward_all",
                "Operands of the forward pass of every convolution but the "
                "output layer in NVFP4 along the reduction axis; the gradients "
                "are straight-through in FP32.",
                ForwardAlongReduction("nvfp4"), {"nvfp4"}),
      Fp4Policy("mxfp4_forward_all",
                "Operands of the forward pass of every convolution but the "
                "output layer in MXFP4 along the reduction axis; the gradients "
                "are straight-through in FP32.",
                ForwardAlongReduction("mxfp4"), {"mxfp4"}),
  };
  return *policies;
}

}  // namespace cnn_fp4::nn
