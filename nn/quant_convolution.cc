#include "nn/quant_convolution.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <array>
#include <optional>

#include "glog/logging.h"
#include "nn/gemm_operand.h"
#include "nn/gemm_operand_tensor.h"

namespace cnn_fp4::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int kActivationAxis = 1;  // NCHW.

// Lets an AutogradContext keep the spec alive for the backward pass.
struct SpecHolder : torch::CustomClassHolder {
  explicit SpecHolder(std::shared_ptr<const ConvSpec> s) : spec(std::move(s)) {}
  std::shared_ptr<const ConvSpec> spec;
};

GemmOperand Operand(const ConvSpec& spec, const char* name,
                    const at::Tensor& tensor, const OperandFormat& format,
                    int reduction_axis) {
  absl::StatusOr<GemmOperand> operand =
      MakeGemmOperand(tensor, format, {reduction_axis});
  TORCH_CHECK(operand.ok(), "layer ", spec.layer, ", operand ", name, ": ",
              operand.status().message());
  return *std::move(operand);
}

at::Tensor Convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias,
                       const ConvGeometry& g) {
  return at::convolution(x, weight, bias, {g.stride, g.stride},
                         {g.padding, g.padding}, /*dilation=*/{1, 1},
                         g.transposed, /*output_padding=*/{0, 0}, /*groups=*/1);
}

// One of the gradients of Convolution, times `scale`.
at::Tensor Gradient(const ConvSpec& spec, int which, const at::Tensor& dy,
                    const at::Tensor& x, const at::Tensor& w, float scale) {
  std::array<bool, 3> mask = {false, false, false};
  mask[which] = true;
  const ConvGeometry& g = spec.geometry;
  const auto gradients = at::convolution_backward(
      dy, x, w, at::OptionalIntArrayRef(), {g.stride, g.stride},
      {g.padding, g.padding}, {1, 1}, g.transposed, {0, 0}, 1, mask);
  at::Tensor gradient =
      which == 0 ? std::get<0>(gradients) : std::get<1>(gradients);
  if (scale != 1.0f) gradient.mul_(scale);
  return RoundTo(gradient, spec.precision.result);
}

class ConvolutionFunction
    : public torch::autograd::Function<ConvolutionFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const std::shared_ptr<const ConvSpec>& spec) {
    const ConvPrecision& precision = spec->precision;
    const ConvGeometry& g = spec->geometry;
    const GemmOperand qx =
        Operand(*spec, "x of fprop", x, precision.fprop_x, kActivationAxis);
    const GemmOperand qw = Operand(*spec, "w of fprop", weight,
                                   precision.fprop_w, FpropWeightAxis(g));

    // The backward pass gets the operands of fprop, or the source where it
    // quantises anew.
    ctx->save_for_backward({precision.wgrad_x ? x : qx.values,
                            precision.dgrad_w ? weight : qw.values});
    ctx->saved_data["x_scale"] = static_cast<double>(qx.scale);
    ctx->saved_data["w_scale"] = static_cast<double>(qw.scale);
    ctx->saved_data["spec"] =
        c10::IValue::make_capsule(c10::make_intrusive<SpecHolder>(spec));

    at::Tensor y = Convolution(qx.values, qw.values, std::nullopt, g);
    // One pass for both: bias + (product of tensor scales) * y.
    at::add_out(y, bias.view({1, -1, 1, 1}), y, qx.scale * qw.scale);
    return RoundTo(y, precision.result);
  }

  static variable_list backward(AutogradContext* ctx,
                                const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "QuantConvolution has no double backward");
    const auto holder = c10::static_intrusive_pointer_cast<SpecHolder>(
        ctx->saved_data["spec"].toCapsule());
    const ConvSpec& spec = *holder->spec;
    const ConvPrecision& precision = spec.precision;
    const ConvGeometry& g = spec.geometry;
    const variable_list saved = ctx->get_saved_variables();
    const GemmOperand x = {
        saved[0], static_cast<float>(ctx->saved_data["x_scale"].toDouble())};
    const GemmOperand w = {
        saved[1], static_cast<float>(ctx->saved_data["w_scale"].toDouble())};
    const at::Tensor& dy = gradients[0];

    at::Tensor dx, dw, db;
    if (ctx->needs_input_grad(0)) {
      const GemmOperand a =
          Operand(spec, "dy of dgrad", dy, precision.dgrad_dy, kActivationAxis);
      const GemmOperand b =
          precision.dgrad_w ? Operand(spec, "w of dgrad", w.values,
                                      *precision.dgrad_w, DgradWeightAxis(g))
                            : w;
      dx = Gradient(spec, 0, a.values, x.values, b.values, a.scale * b.scale);
    }
    if (ctx->needs_input_grad(1)) {
      const GemmOperand a = Operand(spec, "dy of wgrad", dy, precision.wgrad_dy,
                                    ReductionAxis::kPositions);
      const GemmOperand b =
          precision.wgrad_x
              ? Operand(spec, "x of wgrad", x.values, *precision.wgrad_x,
                        ReductionAxis::kPositions)
              : x;
      dw = Gradient(spec, 1, a.values, b.values, w.values, a.scale * b.scale);
    }
    if (ctx->needs_input_grad(2)) db = dy.sum(at::IntArrayRef({0, 2, 3}));
    return {dx, dw, db, at::Tensor()};
  }
};

// torch's own autocast: FP16 operands on tensor cores.
at::Tensor AutocastConvolution(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, const ConvGeometry& g) {
  const bool was_enabled = at::autocast::is_autocast_enabled(at::kCUDA);
  at::autocast::set_autocast_enabled(at::kCUDA, true);
  at::autocast::set_autocast_dtype(at::kCUDA, at::kHalf);
  at::Tensor y = Convolution(x, weight, bias, g);
  at::autocast::set_autocast_enabled(at::kCUDA, was_enabled);
  return y.to(at::kFloat);
}

}  // namespace

at::Tensor QuantConvolution(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias,
                            const std::shared_ptr<const ConvSpec>& spec) {
  const ConvPrecision& precision = spec->precision;
  const ConvGeometry& g = spec->geometry;
  if (precision.full_precision()) {
    return Convolution(x, weight, bias, g);
  }
  if (x.is_cuda() && !precision.quantized() &&
      precision.result == PlainFormat::kFloat16) {
    return AutocastConvolution(x, weight, bias, g);
  }
  return ConvolutionFunction::apply(x, weight, bias, spec);
}

int FpropWeightAxis(const ConvGeometry& geometry) {
  return geometry.transposed ? 0 : 1;
}

int DgradWeightAxis(const ConvGeometry& geometry) {
  return geometry.transposed ? 1 : 0;
}

}  // namespace cnn_fp4::nn
