#include "quant/cpu/plan.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "quant/cpu/kernels.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kUnitElements = kUnit;
constexpr int64_t kChunkElements = kChunk;
constexpr int64_t kMostRows = kMaxStridedRows;

// From how many elements on a block is worth several threads: a task each.
constexpr int64_t kHugeBlock = 16384;

Path PathAlong(const BlockGrid& grid, bool in_order, bool by_error) {
  const bool has_kernel = by_error ? grid.block_cols() == kUnitElements
                                   : HasChunkKernel(grid.block_cols());
  if (in_order && has_kernel) return Path::kChunks;
  if (by_error) return Path::kPanels;
  return grid.block_cols() >= kHugeBlock ? Path::kHugeBlocks : Path::kBands;
}

Path PathAcross(const BlockGrid& grid, bool row_scales, bool given_scales) {
  // The kernel finds the factors itself, from amaxes and one tensor scale.
  return IsOneDimensional(grid) && grid.inner() >= kUnitElements &&
                 grid.block_cols() <= kMostRows && !row_scales && !given_scales
             ? Path::kColumns
             : Path::kBands;
}

const char* NameOf(Path path) {
  switch (path) {
    case Path::kNothing:
      return "nothing";
    case Path::kChunks:
      return "chunks";
    case Path::kColumns:
      return "columns";
    case Path::kBands:
      return "bands";
    case Path::kHugeBlocks:
      return "huge blocks";
    case Path::kPanels:
      return "panels";
    case Path::kOneByOne:
      return "one by one";
  }
  return "";
}

}  // namespace

bool IsOneDimensional(const BlockGrid& grid) {
  return grid.rows() == 1 && grid.middle() == 1;
}

bool AlongMemory(const BlockGrid& grid) {
  return IsOneDimensional(grid) && grid.inner() == 1;
}

bool IsSeamless(const BlockGrid& grid) {
  return grid.cols() % grid.block_cols() == 0;
}

Plan MakePlan(const Recipe& recipe, const BlockGrid& grid,
              const QuantizeOptions& options) {
  Plan plan;
  if (grid.size() == 0) return plan;
  const bool along = AlongMemory(grid);
  const bool given_scales = !options.block_scales.empty();
  // A tensor of one row is as good as one with a tensor scale.
  const bool row_scales =
      recipe.tensor_scale == TensorScale::kPerRow && grid.num_rows() > 1;
  plan.row_by_row =
      along &&
      (row_scales || (!IsSeamless(grid) && grid.cols() >= 2 * kChunkElements));
  plan.packs_directly = along && IsSeamless(grid) && grid.block_cols() % 2 == 0;
  const bool by_error = ComparesErrors(recipe.scale_rule) && !given_scales;
  if (by_error && row_scales) {
    plan.path = Path::kOneByOne;
  } else if (along) {
    plan.path = PathAlong(grid, IsSeamless(grid) || plan.row_by_row, by_error);
  } else {
    plan.path =
        by_error ? Path::kPanels : PathAcross(grid, row_scales, given_scales);
  }
  return plan;
}

std::string ToString(const Plan& plan) {
  return absl::StrCat(NameOf(plan.path), plan.row_by_row ? ", row by row" : "",
                      plan.packs_directly ? ", packed directly" : "");
}

}  // namespace cnn_fp4::quant::cpu
