#include "quant/cpu/plan.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "quant/cpu/kernels.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kUnitElements = kUnit;
constexpr int64_t kChunkElements = kChunk;
constexpr int64_t kMostRows = kMaxStridedRows;

// From how many elements on a block is worth several threads: four tasks.
constexpr int64_t kHugeBlock = 65536;

Path ErrorPath(const BlockGrid& grid) {
  return AlongMemory(grid) && grid.block_cols() == kUnitElements &&
                 IsSeamless(grid)
             ? Path::kErrorsOfChunks
             : Path::kErrorsOfPanels;
}

Path PathAlong(const BlockGrid& grid, bool row_by_row) {
  if (grid.block_cols() >= kHugeBlock) return Path::kHugeBlocks;
  if (grid.block_cols() > kChunkElements) return Path::kLongBlocks;
  return HasChunkKernel(grid.block_cols()) && (IsSeamless(grid) || row_by_row)
             ? Path::kChunks
             : Path::kBands;
}

Path PathAcross(const BlockGrid& grid, bool row_scales, bool given_scales) {
  const bool one_dimensional = grid.rows() == 1 && grid.middle() == 1;
  // The kernel finds the factors itself, from amaxes and one tensor scale.
  return one_dimensional && grid.inner() >= kUnitElements &&
                 grid.block_cols() <= kMostRows && !row_scales && !given_scales
             ? Path::kColumns
             : Path::kBands;
}

const char* NameOf(Path path) {
  switch (path) {
    case Path::kNothing:
      return "nothing";
    case Path::kOneByOne:
      return "one by one";
    case Path::kErrorsOfChunks:
      return "errors of chunks";
    case Path::kErrorsOfPanels:
      return "errors of panels";
    case Path::kChunks:
      return "chunks";
    case Path::kLongBlocks:
      return "long blocks";
    case Path::kHugeBlocks:
      return "huge blocks";
    case Path::kColumns:
      return "columns";
    case Path::kBands:
      return "bands";
  }
  return "";
}

}  // namespace

bool AlongMemory(const BlockGrid& grid) {
  return grid.rows() == 1 && grid.middle() == 1 && grid.inner() == 1;
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
  if (ComparesErrors(recipe.scale_rule) && !given_scales) {
    plan.path = row_scales ? Path::kOneByOne : ErrorPath(grid);
  } else if (along) {
    plan.path = PathAlong(grid, plan.row_by_row);
  } else {
    plan.path = PathAcross(grid, row_scales, given_scales);
  }
  return plan;
}

std::string ToString(const Plan& plan) {
  return absl::StrCat(NameOf(plan.path), plan.row_by_row ? ", row by row" : "",
                      plan.packs_directly ? ", packed directly" : "");
}

}  // namespace cnn_fp4::quant::cpu
