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

OperandFormat AlongReduction(absl::string_view recipe) {
  return Fp4(recipe, Blocking::kReductionAxis);
}

// NVIDIA's training recipe ("Pretraining Large Language Models with NVFP4",
// arXiv:2509.25149), for a convolution: activations rounded to nearest, weights
// in 16x16 tiles that fprop and dgrad share, gradients rounded stochastically,
// both operands of wgrad rotated.
struct Nvfp4Options {
  std::string x = "nvfp4";
  std::string sr = "+sr";
  std::string rht = "+rht";
};

ConvPrecision Nvfp4(const Nvfp4Options& options) {
  ConvPrecision precision;
  precision.fprop_x = AlongReduction(options.x);
  precision.fprop_w = AlongReduction("nvfp4_2d");
  precision.dgrad_dy = AlongReduction("nvfp4" + options.sr);
  precision.wgrad_dy = AlongReduction("nvfp4" + options.sr + options.rht);
  precision.wgrad_x = AlongReduction(options.x + options.rht);
  return precision;
}

ConvPrecision Nvfp4OneDimensionalWeights() {
  ConvPrecision precision = Nvfp4({});
  precision.fprop_w = AlongReduction("nvfp4");
  precision.dgrad_w = AlongReduction("nvfp4");
  return precision;
}

// Gradients whose blocks have no tensor scale beside their own, which is E4M3
// and ends at 2^-9.
ConvPrecision Nvfp4OneLevelGradients(bool scaled) {
  ConvPrecision precision = Nvfp4({});
  precision.dgrad_dy = AlongReduction("nvfp4_1level+sr");
  precision.wgrad_dy = AlongReduction("nvfp4_1level+sr+rht");
  precision.dgrad_dy.scaled = precision.wgrad_dy.scaled = scaled;
  return precision;
}

ConvPrecision Nvfp4FourOverSix() {
  ConvPrecision precision = Nvfp4({"nvfp4_four_over_six"});
  quant::Recipe tiles = *AlongReduction("nvfp4_four_over_six").recipe();
  tiles.name = "nvfp4_four_over_six_2d";
  tiles.block_rows = 16;
  CHECK(quant::ValidateRecipe(tiles).ok());
  precision.fprop_w = {tiles, Blocking::kReductionAxis};
  return precision;
}

// Each operand along the axis that its own GEMM sums over; `sr` is appended to
// the recipe of dy.
ConvPrecision EveryOperand(const std::string& recipe,
                           const std::string& sr = "") {
  ConvPrecision precision;
  precision.fprop_x = precision.fprop_w = AlongReduction(recipe);
  precision.dgrad_dy = precision.wgrad_dy = AlongReduction(recipe + sr);
  precision.dgrad_w = precision.wgrad_x = AlongReduction(recipe);
  return precision;
}

ConvPrecision ForwardAlongReduction(absl::string_view recipe) {
  return Forward(AlongReduction(recipe), AlongReduction(recipe));
}

NamedPolicy Plain(absl::string_view name, absl::string_view what,
                  PlainFormat format, LossScaling loss_scaling) {
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
                      absl::string_view overrides = "") {
  NamedPolicy policy;
  policy.name = std::string(name);
  policy.what = std::string(what);
  policy.precision = std::move(precision);
  policy.output = ConvPrecision::Plain(PlainFormat::kFloat32);
  policy.overrides = std::string(overrides);
  return policy;
}

// The first convolution's operand is the input image, which E2M1 renders badly:
// dark images lie near one value, far from zero, where codes are coarse.
constexpr absl::string_view kFirst = "first=bf16";

}  // namespace

absl::Span<const NamedPolicy> Policies() {
  static const auto* const policies = new std::vector<NamedPolicy>{
      Plain("fp32", "Everything in FP32.", PlainFormat::kFloat32,
            LossScaling::kOff),
      Plain("fp16",
            "Operands and results of every convolution in FP16, sums in FP32, "
            "dynamic loss scaling: mixed precision as torch.autocast does it.",
            PlainFormat::kFloat16, LossScaling::kDynamic),
      Plain("bf16",
            "Operands and results of every convolution in BF16, sums in FP32.",
            PlainFormat::kBfloat16, LossScaling::kOff),
      Fp4Policy("nvfp4",
                "All three GEMMs in NVFP4 by NVIDIA's training recipe "
                "(arXiv:2509.25149): weights in 16x16 tiles, gradients rounded "
                "stochastically, both operands of wgrad rotated by a Hadamard "
                "transform. The first convolution is in BF16.",
                Nvfp4({}), kFirst),
      Fp4Policy("nvfp4_all", "As nvfp4, with the first convolution in NVFP4.",
                Nvfp4({})),
      Fp4Policy("nvfp4_no_rht", "As nvfp4, without the rotation in wgrad.",
                Nvfp4({"nvfp4", "+sr", ""}), kFirst),
      Fp4Policy("nvfp4_no_sr", "As nvfp4, with gradients rounded to nearest.",
                Nvfp4({"nvfp4", "", "+rht"}), kFirst),
      Fp4Policy("nvfp4_1d_weights",
                "As nvfp4, with the weights' blocks along the input channels "
                "in fprop and along the output channels in dgrad, so that the "
                "two GEMMs see different weights.",
                Nvfp4OneDimensionalWeights(), kFirst),
      Fp4Policy("nvfp4_four_over_six",
                "As nvfp4, with blocks of activations and weights scaled to 4 "
                "instead of 6 where that has the smaller error "
                "(arXiv:2512.02010).",
                Nvfp4FourOverSix(), kFirst),
      Fp4Policy("nvfp4_1level",
                "As nvfp4, but gradients have block scales alone, without a "
                "tensor scale: small gradients vanish unless the loss is "
                "scaled.",
                Nvfp4OneLevelGradients(/*scaled=*/false), kFirst),
      Fp4Policy("nvfp4_1level_scaled",
                "As nvfp4_1level, with the gradients of each layer multiplied "
                "by a power of two that fills the format's range.",
                Nvfp4OneLevelGradients(/*scaled=*/true), kFirst),
      Fp4Policy("nvfp4_forward",
                "Operands of the forward pass in NVFP4 along the reduction "
                "axis; the gradients are straight-through in FP32. The first "
                "convolution is in BF16.",
                ForwardAlongReduction("nvfp4"), kFirst),
      Fp4Policy("nvfp4_forward_all",
                "As nvfp4_forward, with the first convolution in NVFP4.",
                ForwardAlongReduction("nvfp4")),
      Fp4Policy("nvfp4_seed",
                "Operands of the forward pass with one power-of-two scale for "
                "16 elements, activations in tiles along the width, weights "
                "flattened; the gradients are straight-through in FP32.",
                Forward(Fp4("pow2_1x16", Blocking::kLastDimension),
                        Fp4("pow2_1x16", Blocking::kFlattened))),
      Fp4Policy("per_tensor_forward",
                "Operands of the forward pass in FP4 with one FP32 scale for "
                "the whole tensor; the gradients are straight-through in FP32. "
                "The first convolution is in BF16.",
                Forward(Fp4("fp4_per_tensor", Blocking::kFlattened),
                        Fp4("fp4_per_tensor", Blocking::kFlattened)),
                kFirst),
      Fp4Policy("mxfp4",
                "All three GEMMs in MXFP4, rounded to nearest, blocks along "
                "the axis that each GEMM sums over. The first convolution is "
                "in BF16.",
                EveryOperand("mxfp4"), kFirst),
      Fp4Policy("mxfp4_sr", "As mxfp4, with gradients rounded stochastically.",
                EveryOperand("mxfp4", "+sr"), kFirst),
      Fp4Policy("mxfp4_forward_all",
                "Operands of the forward pass of every convolution in MXFP4 "
                "along the reduction axis; the gradients are straight-through "
                "in FP32.",
                ForwardAlongReduction("mxfp4")),
      Fp4Policy("pow2_full",
                "All three GEMMs with one power-of-two scale for 16 elements "
                "along the axis that each GEMM sums over. The first "
                "convolution is in BF16.",
                EveryOperand("pow2_1x16"), kFirst),
  };
  return *policies;
}

}  // namespace cnn_fp4::nn
