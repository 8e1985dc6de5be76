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

class BlockGrid {
 public:
  BlockGrid() = default;

  // Blocks of recipe.block_cols along `axis` (negative: from the end), or
  // recipe.block_rows x recipe.block_cols tiles over axis and, for a 2-D
  // recipe, the axis before it.
  // InvalidArgument for an axis out of range, a negative extent or a product
  // that overflows int64.
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
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_BLOCK_GRID_H_
