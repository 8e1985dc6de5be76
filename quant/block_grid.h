#ifndef QUANT_BLOCK_GRID_H_
#define QUANT_BLOCK_GRID_H_

// Where the blocks of a block-scaled format lie in a dense row-major tensor.
//
// 1-D blocks run along one axis: the tensor is seen as {outer, length, inner}
// and element (o, l, i) has offset (o * length + l) * inner + i; a block is
// `block` successive l at fixed (o, i). 2-D tiles span two axes. The last block
// of an axis may be short; it is a block like any other.
//
//   BlockGrid::Along({N, C, H, W}, 1, recipe)  along C: the reduction axis
//   BlockGrid::Along({N, C, H, W}, 3, recipe)  1x16 tiles along W
//   BlockGrid::Flat(n, recipe)                 a flattened tensor
//   BlockGrid::Tiles({O, I, kh, kw}, 0, 1, recipe)  O x I tiles at each (kh,
//   kw)

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

// The extent of blocks on an axis of `length` elements: `block`, at most the
// axis, and all of it for 0; at least 1.
int64_t BlockExtent(int64_t block, int64_t length);

class BlockGrid {
 public:
  BlockGrid() = default;

  // Blocks of recipe.block_cols along `axis` (negative: from the end), or
  // recipe.block_rows x recipe.block_cols tiles over axis and, for a 2-D
  // recipe, the axis before it. A block is at most as long as its axis.
  // InvalidArgument for an axis out of range, a negative extent of the shape or
  // of the blocks, or a product that overflows int64.
  static absl::StatusOr<BlockGrid> Along(absl::Span<const int64_t> shape,
                                         int axis, const Recipe& recipe);
  static absl::StatusOr<BlockGrid> Flat(int64_t size, const Recipe& recipe);
  // Tiles of block_rows x block_cols over two different axes, at each position
  // of the other axes.
  static absl::StatusOr<BlockGrid> Tiles(absl::Span<const int64_t> shape,
                                         int row_axis, int col_axis,
                                         const Recipe& recipe);

  int64_t size() const;        // Elements.
  int64_t num_blocks() const;  // Blocks, short ones included.

  // The tensor seen as {outer, rows, middle, cols, inner}, with blocks of
  // block_rows x block_cols over rows and cols, 1 <= block_rows <= max(rows,
  // 1), 1 <= block_cols <= max(cols, 1); rows is the axis that comes first in
  // memory. 1-D blocks have rows = middle = block_rows = 1.
  int64_t outer() const { return outer_; }
  int64_t rows() const { return rows_; }
  int64_t middle() const { return middle_; }
  int64_t cols() const { return cols_; }
  int64_t inner() const { return inner_; }
  int64_t block_rows() const { return block_rows_; }
  int64_t block_cols() const { return block_cols_; }

  // Blocks on the two axes. Blocks are numbered row-major over {outer,
  // block_count_rows, middle, block_count_cols, inner}: the scales are a tensor
  // of the input's shape with the block axes divided by the block, rounded up.
  int64_t block_count_rows() const;
  int64_t block_count_cols() const;

  // Distance in elements of neighbours on the two axes.
  int64_t row_stride() const { return middle_ * cols_ * inner_; }
  int64_t col_stride() const { return inner_; }

  // Positions outside the axis of 1-D blocks: what TensorScale::kPerRow counts.
  int64_t num_rows() const { return outer_ * inner_; }

  // One block: element (r, c), 0 <= r < rows, 0 <= c < cols, is at
  // offset + r * row_stride() + c * col_stride().
  struct Block {
    int64_t offset = 0;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t row = 0;  // 0 <= row < num_rows().
  };
  Block block(int64_t index) const;  // 0 <= index < num_blocks().

  friend bool operator==(const BlockGrid& a, const BlockGrid& b);
  friend bool operator!=(const BlockGrid& a, const BlockGrid& b) {
    return !(a == b);
  }

 private:
  int64_t outer_ = 0;
  int64_t rows_ = 1;
  int64_t middle_ = 1;
  int64_t cols_ = 0;
  int64_t inner_ = 1;
  int64_t block_rows_ = 1;
  int64_t block_cols_ = 1;
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_BLOCK_GRID_H_
