#ifndef NN_GEMM_GRADIENT_OPERANDS_H_
#define NN_GEMM_GRADIENT_OPERANDS_H_

// What dgrad and wgrad make of dy, from one read of it.

#include <optional>

#include "absl/status/statusor.h"
#include "nn/gemm/device_operand.h"
#include "nn/gemm/gemm_operand.h"
#include "nn/gemm/wgrad_operand.h"
#include "nn/precision/conv_precision.h"
#include "quant/quantize_options.h"

namespace cnn_fp4::nn {

struct GradientFormat {
  OperandFormat format;
  quant::QuantizeOptions options;
};

struct GradientOperands {
  GemmOperand dgrad;
  GemmOperand wgrad;
  // Where they are asked for; dgrad's with its distortion.
  std::optional<QuantizedOperand> dgrad_taken_apart = {};
  std::optional<QuantizedOperand> wgrad_taken_apart = {};
};

// The operands of `dy` (FP32) that MakeGemmOperand (kDgradDy) and
// MakeWgradOperand (kWgradDy) make, bit for bit. nullopt where those two have
// to be called: for plain and scaled formats, tensors on a device without a
// quantiser or of which operands are taken apart, and operands of wgrad that
// are not quantised as dy lies. Errors: the quantiser's.
absl::StatusOr<std::optional<GradientOperands>> MakeGradientOperands(
    const at::Tensor& dy, const WgradPlan& plan, const GradientFormat& dgrad,
    const GradientFormat& wgrad, bool take_apart = false);

// The same with a quantiser named, without one the CPU's: what tests of devices
// do.
absl::StatusOr<std::optional<GradientOperands>> MakeGradientOperandsOn(
    const std::optional<DeviceSide>& side, const at::Tensor& dy,
    const WgradPlan& plan, const GradientFormat& dgrad,
    const GradientFormat& wgrad, bool take_apart = false);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_GRADIENT_OPERANDS_H_
