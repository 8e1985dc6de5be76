#include "quant/quantize_checks.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace cnn_fp4::quant {
namespace {

absl::Status CheckAmounts(const char* name, absl::Span<const float> amounts,
                          int64_t expected) {
  if (amounts.empty()) return absl::OkStatus();
  if (static_cast<int64_t>(amounts.size()) != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", name, " has ", amounts.size(),
                     " entries, the grid needs ", expected));
  }
  const auto is_good = [](float amount) {
    return amount >= 0.0f && amount <= std::numeric_limits<float>::max();
  };
  // Without branches, for many: which one is asked only if there is one.
  bool all_good = true;
  for (const float amount : amounts) all_good &= is_good(amount);
  if (all_good) return absl::OkStatus();
  for (size_t i = 0; i < amounts.size(); ++i) {
    if (!is_good(amounts[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("option ", name, "[", i, "] is ", amounts[i],
                       "; it must be finite and not negative"));
    }
  }
  return absl::OkStatus();
}

// Two ranges of memory without a byte in common.
bool AreApart(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  const auto a_begin = reinterpret_cast<uintptr_t>(a);
  const auto b_begin = reinterpret_cast<uintptr_t>(b);
  return a_begin + a_bytes <= b_begin || b_begin + b_bytes <= a_begin;
}

}  // namespace

absl::Status CheckQuantizeArguments(const Recipe& recipe, const BlockGrid& grid,
                                    int64_t x_size,
                                    const QuantizeOptions& options) {
  if (absl::Status status = ValidateRecipe(recipe); !status.ok()) {
    return status;
  }
  if (x_size != grid.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the tensor has ", x_size, " elements, its grid ", grid.size()));
  }
  const bool one_dimensional = grid.rows() == 1 && grid.middle() == 1;
  if (recipe.tensor_scale == TensorScale::kPerRow && !one_dimensional) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe '", recipe.name,
                     "' scales rows: the grid must have 1-D blocks"));
  }
  if (recipe.hadamard &&
      (!one_dimensional || grid.cols() % kHadamardSize != 0 ||
       (grid.cols() > 0 && grid.block_cols() % kHadamardSize != 0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe '", recipe.name,
                     "' rotates groups of 16, but the block axis "
                     "has ",
                     grid.cols(),
                     " elements: pad both operands of the product to "
                     "a multiple of 16 with zeros"));
  }
  if (options.tensor_amax.has_value()) {
    absl::Status status = CheckAmounts(
        "tensor_amax", absl::MakeSpan(&*options.tensor_amax, 1), 1);
    if (!status.ok()) return status;
  }
  if (recipe.tensor_scale != TensorScale::kPerRow &&
      !options.row_amaxes.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("option row_amaxes: recipe '", recipe.name,
                     "' has no scale for each row"));
  }
  if (options.first_element < 0 ||
      options.first_element > std::numeric_limits<int64_t>::max() - x_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "option first_element is ", options.first_element,
        "; it must not be negative, and the last element's index must fit 63 "
        "bits"));
  }
  absl::Status status =
      CheckAmounts("row_amaxes", options.row_amaxes, grid.num_rows());
  status.Update(
      CheckAmounts("block_scales", options.block_scales, grid.num_blocks()));
  return status;
}

absl::Status CheckOverlap(const void* input, size_t input_bytes,
                          const void* output, size_t output_bytes) {
  const bool same = input == output && input_bytes == output_bytes;
  if (same || AreApart(input, input_bytes, output, output_bytes)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "input and output overlap in part: give the same memory or other memory");
}

absl::Status CheckApart(const void* a, size_t a_bytes, const void* b,
                        size_t b_bytes) {
  if (a_bytes == 0 || b_bytes == 0 || AreApart(a, a_bytes, b, b_bytes)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the input and the two outputs of QuantizeBothWays must be three "
      "separate pieces of memory");
}

absl::Status CheckOneTensorScale(const Recipe& recipe) {
  if (recipe.tensor_scale != TensorScale::kPerRow) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "recipe '", recipe.name, "' has a scale for each row, not one"));
}

absl::Status NonFiniteError(int64_t index, float value) {
  return absl::InvalidArgumentError(absl::StrCat(
      "element ", index, " is ",
      std::isnan(value) ? "NaN"
      : value > 0.0f    ? "Inf"
                        : "-Inf",
      "; choose to saturate or to propagate non-finite values, or remove "
      "them"));
}

absl::Status HadamardOverflowError(const BlockGrid& grid, int64_t index) {
  const int64_t i = index % grid.inner();
  const int64_t c = index / grid.inner() % grid.cols();
  const int64_t o = index / grid.inner() / grid.cols();
  const int64_t group = c / kHadamardSize * kHadamardSize;
  return absl::InvalidArgumentError(absl::StrCat(
      "the Hadamard transform of the group that begins at element ",
      (o * grid.cols() + group) * grid.inner() + i,
      " overflows FP32; scale the tensor down"));
}

}  // namespace cnn_fp4::quant
