#include "quant/block_grid.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cnn_fp4::quant {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

absl::Status CheckBlocks(const Recipe& recipe) {
  if (recipe.block_rows >= 0 && recipe.block_cols >= 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("recipe '", recipe.name, "': blocks of ", recipe.block_rows,
                   " x ", recipe.block_cols, "; extents must not be negative"));
}

absl::Status CheckShape(absl::Span<const int64_t> shape) {
  int64_t size = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape [", absl::StrJoin(shape, ", "),
                       "]: an extent must not be negative"));
    }
    // Also beside a zero: strides are products of the other extents.
    if (extent == 0) continue;
    if (size > std::numeric_limits<int64_t>::max() / extent) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape [", absl::StrJoin(shape, ", "),
                       "]: the number of elements does not fit 64 bits"));
    }
    size *= extent;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> NormalizeAxis(absl::Span<const int64_t> shape, int axis) {
  const int rank = static_cast<int>(shape.size());
  const int positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("axis ", axis, " is not one of a tensor of rank ", rank,
                     ": take one from ", -rank, " to ", rank - 1));
  }
  return positive;
}

int64_t Product(absl::Span<const int64_t> shape, int begin, int end) {
  int64_t product = 1;
  for (int i = begin; i < end; ++i) product *= shape[i];
  return product;
}

}  // namespace

int64_t BlockExtent(int64_t block, int64_t length) {
  const int64_t whole = std::max<int64_t>(length, 1);
  return block == 0 ? whole : std::min(block, whole);
}

absl::StatusOr<BlockGrid> BlockGrid::Along(absl::Span<const int64_t> shape,
                                           int axis, const Recipe& recipe) {
  absl::StatusOr<int> positive = NormalizeAxis(shape, axis);
  if (!positive.ok()) return positive.status();
  if (recipe.block_rows > 1) {
    if (*positive == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "recipe '", recipe.name,
          "' has 2-D blocks: the axis needs another one before it"));
    }
    return Tiles(shape, *positive - 1, *positive, recipe);
  }
  absl::Status status = CheckShape(shape);
  status.Update(CheckBlocks(recipe));
  if (!status.ok()) return status;
  BlockGrid grid;
  grid.outer_ = Product(shape, 0, *positive);
  grid.cols_ = shape[*positive];
  grid.inner_ = Product(shape, *positive + 1, static_cast<int>(shape.size()));
  grid.block_cols_ = BlockExtent(recipe.block_cols, grid.cols_);
  return grid;
}

absl::StatusOr<BlockGrid> BlockGrid::Flat(int64_t size, const Recipe& recipe) {
  if (recipe.block_rows > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe '", recipe.name,
                     "' has 2-D blocks: a flat tensor has no rows; use Tiles"));
  }
  return Along({size}, 0, recipe);
}

absl::StatusOr<BlockGrid> BlockGrid::Tiles(absl::Span<const int64_t> shape,
                                           int row_axis, int col_axis,
                                           const Recipe& recipe) {
  absl::StatusOr<int> row = NormalizeAxis(shape, row_axis);
  if (!row.ok()) return row.status();
  absl::StatusOr<int> col = NormalizeAxis(shape, col_axis);
  if (!col.ok()) return col.status();
  if (*row == *col) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a tile needs two different axes, not ", row_axis, " and ", col_axis));
  }
  absl::Status status = CheckShape(shape);
  status.Update(CheckBlocks(recipe));
  if (!status.ok()) return status;
  int first = *row;
  int second = *col;
  int64_t first_block = BlockExtent(recipe.block_rows, shape[first]);
  int64_t second_block = BlockExtent(recipe.block_cols, shape[second]);
  // Blocks and the elements in them go in memory order.
  if (first > second) {
    std::swap(first, second);
    std::swap(first_block, second_block);
  }
  BlockGrid grid;
  grid.outer_ = Product(shape, 0, first);
  grid.rows_ = shape[first];
  grid.middle_ = Product(shape, first + 1, second);
  grid.cols_ = shape[second];
  grid.inner_ = Product(shape, second + 1, static_cast<int>(shape.size()));
  grid.block_rows_ = first_block;
  grid.block_cols_ = second_block;
  return grid;
}

int64_t BlockGrid::size() const {
  return outer_ * rows_ * middle_ * cols_ * inner_;
}

int64_t BlockGrid::num_blocks() const {
  if (size() == 0) return 0;
  return outer_ * block_count_rows() * middle_ * block_count_cols() * inner_;
}

int64_t BlockGrid::block_count_rows() const {
  return CeilDiv(rows_, block_rows_);
}

int64_t BlockGrid::block_count_cols() const {
  return CeilDiv(cols_, block_cols_);
}

BlockGrid::Block BlockGrid::block(int64_t index) const {
  const int64_t i = index % inner_;
  index /= inner_;
  const int64_t c = index % block_count_cols() * block_cols_;
  index /= block_count_cols();
  const int64_t m = index % middle_;
  index /= middle_;
  const int64_t r = index % block_count_rows() * block_rows_;
  const int64_t o = index / block_count_rows();
  Block block;
  block.offset =
      ((o * rows_ + r) * middle_ + m) * cols_ * inner_ + c * inner_ + i;
  block.rows = std::min(block_rows_, rows_ - r);
  block.cols = std::min(block_cols_, cols_ - c);
  // 1-D blocks only: what lies outside the block axis.
  block.row = o * inner_ + i;
  return block;
}

bool operator==(const BlockGrid& a, const BlockGrid& b) {
  return a.outer_ == b.outer_ && a.rows_ == b.rows_ && a.middle_ == b.middle_ &&
         a.cols_ == b.cols_ && a.inner_ == b.inner_ &&
         a.block_rows_ == b.block_rows_ && a.block_cols_ == b.block_cols_;
}

}  // namespace cnn_fp4::quant
