#ifndef NN_CONV_PRECISION_H_
#define NN_CONV_PRECISION_H_

// The number formats of a convolution's three GEMMs, as data.
//
// A training step computes, for each convolution,
//
//   fprop  y  = conv  ( x  , w )      reduces over Cin  (and the kernel window)
//   dgrad  dx = conv^T( dy , w )      reduces over Cout (and the kernel window)
//   wgrad  dw = corr  ( x  , dy)      reduces over N, H, W
//
// and each GEMM has two operands. ConvPrecision gives each of the six a format:
// a plain one (FP32, FP16, BF16) or an FP4 recipe with the way its blocks lie
// in the tensor. Policies are looked up by name:
//
//   fp32, fp16         every operand plain; results rounded to the same format
//   nvfp4_seed         fprop in pow2_1x16, activations in tiles along W and
//                      weights flattened; straight-through backward
//   nvfp4, mxfp4       fprop along the reduction axis; straight-through
//                      backward
//
// A recipe for dgrad and wgrad is a field here and nothing else: the layer
// quantises whatever the policy names, from the high-precision source and along
// the reduction axis of that GEMM.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quant/recipe.h"

namespace cnn_fp4::nn {

enum class PlainFormat { kFloat32, kFloat16, kBfloat16 };

// How 1-D blocks lie in an operand.
enum class Blocking {
  kReductionAxis,  // Along the axis that the GEMM sums over: what hardware
                   // does.
  kLastDimension,  // Tiles along W, each row on its own.
  kFlattened,      // Tiles of the flattened tensor.
};

struct OperandFormat {
  std::variant<PlainFormat, quant::Recipe> format = PlainFormat::kFloat32;
  Blocking blocking = Blocking::kReductionAxis;  // Of a recipe.

  // The FP4 recipe, or null for a plain format.
  const quant::Recipe* recipe() const {
    return std::get_if<quant::Recipe>(&format);
  }
  friend bool operator==(const OperandFormat& a, const OperandFormat& b) {
    return a.format == b.format && a.blocking == b.blocking;
  }
  friend bool operator!=(const OperandFormat& a, const OperandFormat& b) {
    return !(a == b);
  }
};

struct ConvPrecision {
  std::string name;

  OperandFormat fprop_x;
  OperandFormat fprop_w;
  OperandFormat dgrad_dy;
  OperandFormat wgrad_dy;
  // Unset: the operand of fprop again. With plain dy that is the straight-
  // through estimator: the derivative of each quantiser is taken as 1.
  std::optional<OperandFormat> dgrad_w;
  std::optional<OperandFormat> wgrad_x;

  // Format that y, dx and dw are rounded to after FP32 accumulation.
  PlainFormat result = PlainFormat::kFloat32;

  // Whether the loss needs scaling so that gradients survive in FP16.
  bool needs_loss_scaling() const;
  // Whether any operand has an FP4 recipe.
  bool quantized() const;
  // Whether nothing is rounded at all: an ordinary FP32 convolution.
  bool full_precision() const;
};

// The policy `name`; InvalidArgument that lists the known names otherwise.
absl::StatusOr<ConvPrecision> FindConvPrecision(absl::string_view name);

// Names of all policies, in the order of the documentation.
std::vector<std::string> ConvPrecisionNames();

}  // namespace cnn_fp4::nn

#endif  // NN_CONV_PRECISION_H_
