#ifndef QUANT_RECIPE_H_
#define QUANT_RECIPE_H_

// How a tensor becomes FP4: a Recipe names the element rounding, the format and
// rule of the block scale, the tensor scale and the block extents. *Where* the
// blocks lie in a tensor is quant::BlockGrid.
//
// Recipes are values: printable, comparable, and looked up by name in one
// registry, which is also their documentation.
//
//   absl::StatusOr<Recipe> recipe = FindRecipe("nvfp4");
//   absl::StatusOr<Recipe> sr = FindRecipe("mxfp4+block=16+sr8+rht");
//   for (const NamedRecipe& r : RecipeRegistry()) std::cout << r.recipe.name;

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cnn_fp4::quant {

// The format in which a block scale is stored.
enum class ScaleFormat {
  kE4m3,     // OCP FP8 E4M3, non-negative: NVFP4.
  kE8m0,     // Power of two: MXFP4, pow2.
  kFloat32,  // Unrounded: FP4 per tensor or per channel.
};

// How the scale of a block follows from its amax (a) and the tensor's (A).
// The formulas, with the order of operations, are at each registry entry.
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
constexpr bool IsStochastic(Rounding rounding) {
  return rounding == Rounding::kStochastic8 ||
         rounding == Rounding::kStochastic ||
         rounding == Rounding::kStochasticUnbiased;
}

// Extent over which amax A, and with it the tensor scale, is taken.
enum class TensorScale {
  kNone,
  kPerTensor,
  kPerRow,  // One for each position outside the block axis.
};

struct Recipe {
  std::string name;
  ScaleFormat scale_format = ScaleFormat::kE4m3;
  ScaleRule scale_rule = ScaleRule::kTransformerEngine;
  TensorScale tensor_scale = TensorScale::kPerTensor;
  Rounding rounding = Rounding::kNearestEven;
  // 1 x block_cols along one axis, or block_rows x block_cols tiles. 0 in
  // block_cols: the whole axis (per channel) or tensor is one block.
  int64_t block_rows = 1;
  int64_t block_cols = 16;
  // Random Hadamard transform of 16 along the block axis before quantisation.
  bool hadamard = false;
  // Largest E4M3 value that the largest block scale is mapped to: 448, or 256
  // where four-over-six needs headroom for 1.5 times it.
  float scale_max = 448.0f;

  friend bool operator==(const Recipe& a, const Recipe& b);
  friend bool operator!=(const Recipe& a, const Recipe& b) { return !(a == b); }
};

struct NamedRecipe {
  Recipe recipe;
  std::string what;    // One sentence: the arithmetic.
  std::string anchor;  // Paper, specification or implementation followed.
  std::string use;     // When to take it.
};

// All named recipes, in the order of the documentation.
absl::Span<const NamedRecipe> RecipeRegistry();

// A registered name, followed by any of these modifiers, each after a '+':
// a rounding (nearest, ties_away, ties_to_zero, sr8, sr, sr_unbiased), rht (the
// Hadamard transform) and block=N (block_cols; 0: the whole axis). The
// recipe's name is the whole text.
// InvalidArgument, with all known names, for an unknown one, and for a
// combination that ValidateRecipe refuses.
absl::StatusOr<Recipe> FindRecipe(absl::string_view name);

// InvalidArgument for a recipe put together by hand whose parts contradict each
// other: a rule with another scale format, a transform that does not fit the
// block, unbiased rounding under a rule that saturates.
absl::Status ValidateRecipe(const Recipe& recipe);

// One line with every field, for logs and test names.
std::string ToString(const Recipe& recipe);

}  // namespace cnn_fp4::quant

#endif  // QUANT_RECIPE_H_
