#ifndef NN_PRECISION_CONV_PRECISION_H_
#define NN_PRECISION_CONV_PRECISION_H_

// The number formats of one convolution's three GEMMs, as data.
//
// A training step computes, for each convolution,
//
//   fprop  y  = conv  ( x  , w )      reduces over Cin  (and the kernel window)
//   dgrad  dx = conv^T( dy , w )      reduces over Cout (and the kernel window)
//   wgrad  dw = corr  ( x  , dy)      reduces over N, H, W
//
// and each GEMM has two operands. ConvPrecision gives each of the six a format:
// a plain one (FP32, FP16, BF16) or an FP4 recipe with the way its blocks lie
// in the tensor. Which layer has which ConvPrecision is a Policy (policy.h).

#include <optional>
#include <string>
#include <variant>

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
  // Of a recipe: whether the tensor is multiplied by a power of two before it
  // is quantised, and the result of the GEMM divided by it, so that the tensor
  // fills the range of a recipe without a tensor scale (gemm_operand.h).
  bool scaled = false;
  // Of a recipe of fprop: whether the scale of w, or the largest magnitude of
  // x, is a parameter that is trained (nn/layers/learned_scale.h).
  bool learned = false;

  // The FP4 recipe, or null for a plain format.
  const quant::Recipe* recipe() const {
    return std::get_if<quant::Recipe>(&format);
  }
  // Whether the recipe rotates its blocks (a random Hadamard transform).
  bool rotated() const { return recipe() != nullptr && recipe()->hadamard; }
  friend bool operator==(const OperandFormat& a, const OperandFormat& b) {
    return a.format == b.format && a.blocking == b.blocking &&
           a.scaled == b.scaled && a.learned == b.learned;
  }
  friend bool operator!=(const OperandFormat& a, const OperandFormat& b) {
    return !(a == b);
  }
};

// The six operands, in the order of a training step.
enum class Operand { kFpropX, kFpropW, kDgradDy, kDgradW, kWgradDy, kWgradX };
inline constexpr Operand kOperands[] = {Operand::kFpropX,  Operand::kFpropW,
                                        Operand::kDgradDy, Operand::kDgradW,
                                        Operand::kWgradDy, Operand::kWgradX};

// "fprop_x", "dgrad_dy", ...: as policies spell them.
absl::string_view OperandName(Operand operand);
std::optional<Operand> FindOperand(absl::string_view name);

struct ConvPrecision {
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

  // Every operand and the results in `format`.
  static ConvPrecision Plain(PlainFormat format);

  // Of an operand that is unset: null.
  const OperandFormat* Get(Operand operand) const;
  void Set(Operand operand, const OperandFormat& format);

  // Whether any operand has an FP4 recipe.
  bool quantized() const;
  // Whether nothing is rounded at all: an ordinary FP32 convolution.
  bool full_precision() const;

  friend bool operator==(const ConvPrecision& a, const ConvPrecision& b);
};

// "fp32", "fp16", "bf16".
absl::string_view ToString(PlainFormat format);
std::optional<PlainFormat> FindPlainFormat(absl::string_view name);

// In full: "bf16", or where the blocks lie and every field of the recipe.
std::string ToString(const OperandFormat& format);

}  // namespace cnn_fp4::nn

#endif  // NN_PRECISION_CONV_PRECISION_H_
