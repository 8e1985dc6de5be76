#include "nn/layers/quant_convolution.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/fnv1a.h"
#include "nn/gemm/wgrad_operand.h"

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

// `plan`: of operands of wgrad, else null.
GemmOperand MakeOperand(const ConvSpec& spec, Operand operand,
                        const at::Tensor& source, const OperandFormat& format,
                        const WgradPlan* plan = nullptr) {
  const std::vector<GemmObserver*>& observers = spec.context->observers;
  const GemmSite site = {spec.layer, operand, format};
  for (GemmObserver* const observer : observers) {
    observer->OnSource(site, source);
  }
  std::optional<QuantizedOperand> taken_apart;
  std::optional<QuantizedOperand>* const apart =
      observers.empty() ? nullptr : &taken_apart;
  const quant::QuantizeOptions options = Options(spec, operand, format);
  absl::StatusOr<GemmOperand> made =
      plan == nullptr
          ? MakeGemmOperand(source, operand, spec.geometry, format, options,
                            apart)
          : MakeWgradOperand(source, operand, *plan, format, options, apart);
  TORCH_CHECK(made.ok(), "layer ", spec.layer, ", operand ",
              OperandName(operand), ": ", made.status().message());
  for (GemmObserver* const observer : observers) {
    observer->OnOperand(site, source, *made,
                        taken_apart.has_value() ? &*taken_apart : nullptr);
  }
  return *std::move(made);
}

class ConvolutionFunction
    : public torch::autograd::Function<ConvolutionFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const std::shared_ptr<const ConvSpec>& spec) {
    const ConvPrecision& precision = spec->precision;
    const GemmOperand qx =
        MakeOperand(*spec, Operand::kFpropX, x, precision.fprop_x);
    const GemmOperand qw =
        MakeOperand(*spec, Operand::kFpropW, weight, precision.fprop_w);

    // The backward pass gets the operands of fprop, or the source where it
    // quantises anew.
    ctx->save_for_backward({precision.wgrad_x ? x : qx.values,
                            precision.dgrad_w ? weight : qw.values, qx.scale,
                            qw.scale});
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

    at::Tensor dx, dw, db;
    if (ctx->needs_input_grad(0)) {
      const GemmOperand a =
          MakeOperand(spec, Operand::kDgradDy, dy, precision.dgrad_dy);
      const GemmOperand b = precision.dgrad_w
                                ? MakeOperand(spec, Operand::kDgradW, w.values,
                                              *precision.dgrad_w)
                                : w;
      dx =
          RoundTo(gemms.Dgrad(a, b, x.values, spec.geometry), precision.result);
    }
    if (ctx->needs_input_grad(1)) {
      const absl::StatusOr<WgradPlan> plan = PlanWgrad(
          x.values.sizes(), dy.sizes(), {w.values.size(2), w.values.size(3)},
          spec.geometry, precision.wgrad_dy, precision.Get(Operand::kWgradX));
      TORCH_CHECK(plan.ok(), "layer ", spec.layer, ": ",
                  plan.status().message());
      const GemmOperand a =
          MakeOperand(spec, Operand::kWgradDy, dy, precision.wgrad_dy, &*plan);
      const GemmOperand b = precision.wgrad_x
                                ? MakeOperand(spec, Operand::kWgradX, x.values,
                                              *precision.wgrad_x, &*plan)
                                : x;
      dw =
          RoundTo(gemms.Wgrad(a, b, w.values, spec.geometry), precision.result);
    }
    // Autograd counts an absent bias among the inputs no more than the spec.
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) {
      db = dy.sum(at::IntArrayRef({0, 2, 3}));
    }
    return {dx, dw, db, at::Tensor()};
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
                            const std::shared_ptr<const ConvSpec>& spec) {
  const ConvPrecision& precision = spec->precision;
  if (precision.full_precision()) {
    ShowForward(*spec, x, weight);
    return PlainConvolution(x, weight, bias, spec->geometry);
  }
  if (x.is_cuda() && precision == ConvPrecision::Plain(PlainFormat::kFloat16)) {
    ShowForward(*spec, x, weight);
    return AutocastConvolution(x, weight, bias, spec->geometry);
  }
  return ConvolutionFunction::apply(
      x, weight,
      bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt, spec);
}

}  // namespace cnn_fp4::nn
