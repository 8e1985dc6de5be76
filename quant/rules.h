#ifndef QUANT_RULES_H_
#define QUANT_RULES_H_

// The words of quant::Recipe that the arithmetic looks at. For host and device.

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

// The format in which a block scale is stored.
enum class ScaleFormat {
  kE4m3,     // OCP FP8 E4M3, non-negative: NVFP4.
  kE8m0,     // Power of two: MXFP4, pow2.
  kFloat32,  // Unrounded: FP4 per tensor or per channel.
};

// How the scale of a block follows from its amax (a) and the tensor's (A).
// The formulas, with the order of operations, are at each entry of the registry
// (quant/recipe.h).
enum class ScaleRule {
  kTransformerEngine,  // E4M3(a * (S * (1/6))), S = 2688/A.
  kFourOverSixMse,     // The better of a/6 and a/4, by squared error...
  kFourOverSixMae,     // ...by absolute error...
  kFourOverSixAbsMax,  // ...by largest error of the block.
  kStaticFour,         // kTransformerEngine with 4 for 6.
  kBestOf126,          // The E4M3 code of least squared error.
  kOneLevel,           // E4M3(a/6), no tensor scale.
  kTorchAo,            // torchao's floor 2^-6 and reciprocals.
  kModelOpt,           // Model-Optimizer's floor 2^-9 and division.
  kCompressedTensors,  // compressed-tensors' 2688/A and zero -> 0.125.
  kPow2Floor,          // OCP MX: exponent(a) - 2.
  kPow2Ceil,           // +1 unless a is a power of two.
  kPow2RoundUp,        // RCEIL: ceil(log2(a/6)).
  kPow2Even,           // exponent(a rounded to one mantissa bit) - 2.
  kPow2MidMax,         // Floor, +1 when a is nearer to 8 than to 6.
  kAmax,               // a/6 in FP32.
};

// Rounding of an element onto the E2M1 grid.
enum class Rounding {
  kNearestEven,
  kTiesAway,
  kTiesToZero,
  kStochastic8,         // 8 random bits, as TransformerEngine's software path.
  kStochastic,          // 32 random bits.
  kStochasticUnbiased,  // kStochastic with the range shrunk by 16/17.
};

// Whether it takes random bits.
CNN_FP4_HOST_DEVICE constexpr bool IsStochastic(Rounding rounding) {
  return rounding == Rounding::kStochastic8 ||
         rounding == Rounding::kStochastic ||
         rounding == Rounding::kStochasticUnbiased;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_RULES_H_
