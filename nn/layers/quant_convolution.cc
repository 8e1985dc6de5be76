#include "nn/layers/quant_convolution.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/fnv1a.h"
#include "nn/gemm/gradient_operands.h"
#include "nn/gemm/wgrad_operand.h"
#include "nn/layers/learned_scale.h"

namespace cnn_fp4::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Lets an AutogradContext keep the spec alive for the backward pass.
struct SpecHolder : torch::CustomClassHolder {
  explicit SpecHolder(std::shared_ptr<const ConvSpec> s) : spec(std::move(s)) {}
  std::shared_ptr<const ConvSpec> spec;
};

// "enc1.conv1/wgrad/dy": what numerics call an operand, and the key of its
// random bits.
std::string StreamName(const ConvSpec& spec, Operand operand) {
  return absl::StrCat(spec.layer, "/",
                      absl::StrReplaceAll(OperandName(operand), {{"_", "/"}}));
}

quant::QuantizeOptions Options(const ConvSpec& spec, Operand operand,
                               const OperandFormat& format) {
  quant::QuantizeOptions options;
  // A gradient that is not finite makes the trainer skip the step; what is not
  // finite in the forward pass is an error.
  if (operand == Operand::kDgradDy || operand == Operand::kWgradDy) {
    options.nonfinite = quant::NonFinitePolicy::kPropagate;
  }
  if (format.recipe() == nullptr ||
      !quant::IsStochastic(format.recipe()->rounding)) {
    return options;
  }
  options.seed = spec.context->seed;
  options.stream = base::Fnv1a32(StreamName(spec, operand));
  options.step = static_cast<uint64_t>(spec.context->step);
  return options;
}

// What an operand needs beside its source and format: those of wgrad a plan,
// those whose scale is learnt the parameter.
struct OperandNeeds {
  const WgradPlan* plan = nullptr;
  at::Tensor learned = {};
};

absl::StatusOr<GemmOperand> Quantize(
    const ConvSpec& spec, Operand operand, const at::Tensor& source,
    const OperandFormat& format, const OperandNeeds& needs,
    std::optional<QuantizedOperand>* taken_apart) {
  if (format.learned) {
    return operand == Operand::kFpropW
               ? QuantizeWithScale(source, needs.learned, spec.geometry, format,
                                   taken_apart)
               : QuantizeClipped(source, needs.learned, spec.geometry, format,
                                 taken_apart);
  }
  const quant::QuantizeOptions options = Options(spec, operand, format);
  return needs.plan == nullptr ? MakeGemmOperand(source, operand, spec.geometry,
                                                 format, options, taken_apart)
                               : MakeWgradOperand(source, operand, *needs.plan,
                                                  format, options, taken_apart);
}

void ShowSource(const ConvSpec& spec, const GemmSite& site,
                const at::Tensor& source) {
  for (GemmObserver* const observer : spec.context->observers) {
    observer->OnSource(site, source);
  }
}

void ShowOperand(const ConvSpec& spec, const GemmSite& site,
                 const at::Tensor& source, const GemmOperand& operand,
                 const std::optional<QuantizedOperand>& taken_apart) {
  for (GemmObserver* const observer : spec.context->observers) {
    observer->OnOperand(site, source, operand,
                        taken_apart.has_value() ? &*taken_apart : nullptr);
  }
}

GemmOperand MakeOperand(const ConvSpec& spec, Operand operand,
                        const at::Tensor& source, const OperandFormat& format,
                        const OperandNeeds& needs = {}) {
  const GemmSite site = {spec.layer, operand, format};
  ShowSource(spec, site, source);
  std::optional<QuantizedOperand> taken_apart;
  std::optional<QuantizedOperand>* const apart =
      spec.context->observers.empty() ? nullptr : &taken_apart;
  absl::StatusOr<GemmOperand> made =
      Quantize(spec, operand, source, format, needs, apart);
  TORCH_CHECK(made.ok(), "layer ", spec.layer, ", operand ",
              OperandName(operand), ": ", made.status().message());
  ShowOperand(spec, site, source, *made, taken_apart);
  return *std::move(made);
}

// Both operands that are made of dy from one read of it, if their formats allow
// it.
std::optional<GradientOperands> MakeBothOfDy(const ConvSpec& spec,
                                             const at::Tensor& dy,
                                             const WgradPlan& plan) {
  const OperandFormat& dgrad = spec.precision.dgrad_dy;
  const OperandFormat& wgrad = spec.precision.wgrad_dy;
  absl::StatusOr<std::optional<GradientOperands>> made = MakeGradientOperands(
      dy, plan, {dgrad, Options(spec, Operand::kDgradDy, dgrad)},
      {wgrad, Options(spec, Operand::kWgradDy, wgrad)},
      /*take_apart=*/!spec.context->observers.empty());
  if (made.ok() && !made->has_value()) return std::nullopt;
  const GemmSite dgrad_site = {spec.layer, Operand::kDgradDy, dgrad};
  const GemmSite wgrad_site = {spec.layer, Operand::kWgradDy, wgrad};
  ShowSource(spec, dgrad_site, dy);
  ShowSource(spec, wgrad_site, dy);
  TORCH_CHECK(made.ok(), "layer ", spec.layer,
              ", operands made of dy: ", made.status().message());
  const GradientOperands& operands = **made;
  ShowOperand(spec, dgrad_site, dy, operands.dgrad, operands.dgrad_taken_apart);
  ShowOperand(spec, wgrad_site, dy, operands.wgrad, operands.wgrad_taken_apart);
  return *std::move(made);
}

class ConvolutionFunction
    : public torch::autograd::Function<ConvolutionFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const std::shared_ptr<const ConvSpec>& spec,
                            const std::optional<at::Tensor>& log2_weight_scale,
                            const std::optional<at::Tensor>& x_clip) {
    const ConvPrecision& precision = spec->precision;
    const GemmOperand qx =
        MakeOperand(*spec, Operand::kFpropX, x, precision.fprop_x,
                    {nullptr, x_clip.value_or(at::Tensor())});
    const GemmOperand qw =
        MakeOperand(*spec, Operand::kFpropW, weight, precision.fprop_w,
                    {nullptr, log2_weight_scale.value_or(at::Tensor())});

    // The backward pass gets the operands of fprop, or the source where it
    // quantises anew, or where a scale is learnt, both.
    variable_list saved = {precision.wgrad_x ? x : qx.values,
                           precision.dgrad_w ? weight : qw.values, qx.scale,
                           qw.scale};
    if (x_clip) {
      saved.insert(saved.end(), {x, *x_clip});
    }
    if (log2_weight_scale) {
      saved.insert(saved.end(), {weight, *log2_weight_scale, qw.values});
    }
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["has_x_clip"] = x_clip.has_value();
    ctx->saved_data["has_log2_weight_scale"] = log2_weight_scale.has_value();
    ctx->saved_data["spec"] =
        c10::IValue::make_capsule(c10::make_intrusive<SpecHolder>(spec));
    ctx->saved_data["has_bias"] = bias.has_value();
    return RoundTo(spec->context->gemms->Fprop(
                       qx, qw, bias.value_or(at::Tensor()), spec->geometry),
                   precision.result);
  }

  static variable_list backward(AutogradContext* ctx,
                                const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "QuantConvolution has no double backward");
    const auto holder = c10::static_intrusive_pointer_cast<SpecHolder>(
        ctx->saved_data["spec"].toCapsule());
    const ConvSpec& spec = *holder->spec;
    const ConvPrecision& precision = spec.precision;
    const ConvGemms& gemms = *spec.context->gemms;
    const variable_list saved = ctx->get_saved_variables();
    const GemmOperand x = {saved[0], saved[2]};
    const GemmOperand w = {saved[1], saved[3]};
    const at::Tensor& dy = gradients[0];

    at::Tensor dx, dw, db, dscale, dclip;
    size_t next = 4;
    at::Tensor source_x, x_clip, source_w, log2_weight_scale, fprop_w;
    if (ctx->saved_data["has_x_clip"].toBool()) {
      source_x = saved[next++];
      x_clip = saved[next++];
    }
    if (ctx->saved_data["has_log2_weight_scale"].toBool()) {
      source_w = saved[next++];
      log2_weight_scale = saved[next++];
      fprop_w = saved[next++];
    }
    // The gradient of a clipping value is made of dx, which the first layer
    // needs for nothing else.
    const bool needs_dx = ctx->needs_input_grad(0) || x_clip.defined();
    const bool needs_dw = ctx->needs_input_grad(1);
    std::optional<WgradPlan> plan;
    if (needs_dw) {
      absl::StatusOr<WgradPlan> planned = PlanWgrad(
          x.values.sizes(), dy.sizes(), {w.values.size(2), w.values.size(3)},
          spec.geometry, precision.wgrad_dy, precision.Get(Operand::kWgradX));
      TORCH_CHECK(planned.ok(), "layer ", spec.layer, ": ",
                  planned.status().message());
      plan = *std::move(planned);
    }
    std::optional<GradientOperands> both;
    if (needs_dx && needs_dw) both = MakeBothOfDy(spec, dy, *plan);
    if (needs_dx) {
      const GemmOperand a =
          both ? std::move(both->dgrad)
               : MakeOperand(spec, Operand::kDgradDy, dy, precision.dgrad_dy);
      const GemmOperand b = precision.dgrad_w
                                ? MakeOperand(spec, Operand::kDgradW, w.values,
                                              *precision.dgrad_w)
                                : w;
      dx =
          RoundTo(gemms.Dgrad(a, b, x.values, spec.geometry), precision.result);
      if (x_clip.defined()) {
        ClipGradients clipped = BackwardClipped(source_x, x_clip, dx);
        dx = std::move(clipped.x);
        dclip = std::move(clipped.clip);
      }
    }
    if (needs_dw) {
      const GemmOperand a = both ? std::move(both->wgrad)
                                 : MakeOperand(spec, Operand::kWgradDy, dy,
                                               precision.wgrad_dy, {&*plan});
      const GemmOperand b =
          precision.wgrad_x
              ? MakeOperand(
                    spec, Operand::kWgradX,
                    x_clip.defined() ? Clip(x.values, x_clip) : x.values,
                    *precision.wgrad_x, {&*plan})
              : x;
      dw =
          RoundTo(gemms.Wgrad(a, b, w.values, spec.geometry), precision.result);
      if (log2_weight_scale.defined()) {
        WeightGradients learned =
            BackwardWithScale(source_w, log2_weight_scale, {fprop_w, saved[3]},
                              spec.geometry, precision.fprop_w, dw);
        dw = std::move(learned.weight);
        dscale = std::move(learned.log2_scale);
      }
    }
    // Autograd counts an absent bias among the inputs no more than the spec.
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) {
      db = dy.sum(at::IntArrayRef({0, 2, 3}));
    }
    return {dx, dw, db, at::Tensor(), dscale, dclip};
  }
};

// torch's own autocast: FP16 operands on tensor cores.
at::Tensor AutocastConvolution(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, const ConvGeometry& g) {
  const bool was_enabled = at::autocast::is_autocast_enabled(at::kCUDA);
  at::autocast::set_autocast_enabled(at::kCUDA, true);
  at::autocast::set_autocast_dtype(at::kCUDA, at::kHalf);
  at::Tensor y = PlainConvolution(x, weight, bias, g);
  at::autocast::set_autocast_enabled(at::kCUDA, was_enabled);
  return y.to(at::kFloat);
}

std::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

// What a convolution that LibTorch computes by itself shows of its forward
// pass.
void ShowForward(const ConvSpec& spec, const at::Tensor& x,
                 const at::Tensor& weight) {
  if (spec.context->observers.empty()) return;
  const torch::NoGradGuard no_grad;
  MakeOperand(spec, Operand::kFpropX, x.detach(), spec.precision.fprop_x);
  MakeOperand(spec, Operand::kFpropW, weight.detach(), spec.precision.fprop_w);
}

}  // namespace

at::Tensor QuantConvolution(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias,
                            const std::shared_ptr<const ConvSpec>& spec,
                            const LearnedScales& learned) {
  const ConvPrecision& precision = spec->precision;
  TORCH_CHECK(
      precision.fprop_w.learned == learned.log2_weight_scale.defined() &&
          precision.fprop_x.learned == learned.x_clip.defined(),
      "layer ", spec->layer,
      ": the learnt parameters are not those of its formats");
  if (precision.full_precision()) {
    ShowForward(*spec, x, weight);
    return PlainConvolution(x, weight, bias, spec->geometry);
  }
  if (x.is_cuda() && precision == ConvPrecision::Plain(PlainFormat::kFloat16)) {
    ShowForward(*spec, x, weight);
    return AutocastConvolution(x, weight, bias, spec->geometry);
  }
  return ConvolutionFunction::apply(x, weight, IfDefined(bias), spec,
                                    IfDefined(learned.log2_weight_scale),
                                    IfDefined(learned.x_clip));
}

}  // namespace cnn_fp4::nn
