#include "quant/cpu/bands.h"

#include "quant/cpu/kernels.h"
#include "quant/cpu/plan.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Blocks among which a band does not lie across an end: all of them, or those
// of a row where it ends a band or blocks are not along memory.
int64_t BlocksInLine(const BlockGrid& grid, bool by_row) {
  if (AlongMemory(grid) && !by_row) return grid.num_blocks();
  return grid.block_count_cols() * grid.inner();
}

// Those of a band at most.
int64_t BlocksInBand(const BlockGrid& grid) {
  const int64_t runs =
      std::max<int64_t>(1, kBandElements / (grid.block_cols() * grid.inner()));
  return runs * grid.inner();
}

}  // namespace

int64_t ColumnBands(const BlockGrid& grid, int64_t width) {
  return grid.outer() * grid.block_count_cols() * CeilDiv(grid.inner(), width);
}

Band ColumnBandAt(const BlockGrid& grid, int64_t width, int64_t index) {
  const int64_t bands = CeilDiv(grid.inner(), width);
  const int64_t j = index % bands * width;
  const int64_t l = index / bands % grid.block_count_cols();
  const int64_t o = index / bands / grid.block_count_cols();
  Band band;
  band.first_block = (o * grid.block_count_cols() + l) * grid.inner() + j;
  band.offset = (o * grid.cols() + l * grid.block_cols()) * grid.inner() + j;
  band.lines = std::min(grid.block_cols(), grid.cols() - l * grid.block_cols());
  band.stride = grid.inner();
  band.width = band.blocks = std::min(width, grid.inner() - j);
  band.columns = true;
  return band;
}

int64_t LineBands(const BlockGrid& grid, bool by_row) {
  const int64_t line = BlocksInLine(grid, by_row);
  return grid.num_blocks() / line * CeilDiv(line, BlocksInBand(grid));
}

Band LineBandAt(const BlockGrid& grid, bool by_row, int64_t index) {
  const int64_t line = BlocksInLine(grid, by_row);
  const int64_t most = BlocksInBand(grid);
  const int64_t bands = CeilDiv(line, most);
  const int64_t first = index % bands * most;
  return LineBandOf(grid, index / bands * line + first,
                    std::min(most, line - first));
}

Band LineBandOf(const BlockGrid& grid, int64_t first_block, int64_t blocks) {
  const BlockGrid::Block first = grid.block(first_block);
  const BlockGrid::Block last = grid.block(first_block + blocks - 1);
  const int64_t end = last.offset + (last.cols - 1) * grid.inner() + 1;
  Band band;
  band.first_block = first_block;
  band.blocks = blocks;
  band.offset = first.offset;
  band.lines = first.rows;
  band.stride = grid.row_stride();
  band.width = end - first.offset;
  return band;
}

int64_t PieceOfLine(const BlockGrid& grid, const Band& band, int64_t most) {
  const bool one_run = !band.columns && band.blocks == grid.inner();
  return one_run
             ? std::min(band.width, CeilDiv(most, grid.inner()) * grid.inner())
             : band.width;
}

const float* SpreadToLine(const BlockGrid& grid, const Band& band,
                          const float* of_blocks,
                          std::vector<float>& of_elements) {
  if (band.columns) return of_blocks;
  // Whole units are faster; what is too much is overwritten by the next run.
  constexpr int64_t kUnitElements = kUnit;
  of_elements.resize(std::max<size_t>(of_elements.size(), band.width + kUnit));
  float* to = of_elements.data();
  const int64_t inner = grid.inner();
  ForEachRun(grid, band, [&](int64_t block, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; i += inner == 1 ? kUnitElements : inner) {
      if (inner == 1) {
        std::fill_n(to + begin + i, kUnit, of_blocks[block]);
      } else {
        std::copy_n(of_blocks + block, inner, to + begin + i);
      }
    }
  });
  return to;
}

}  // namespace cnn_fp4::quant::cpu
