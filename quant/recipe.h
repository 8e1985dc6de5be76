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
#include "quant/rules.h"

namespace cnn_fp4::quant {

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
