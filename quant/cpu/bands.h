#ifndef QUANT_CPU_BANDS_H_
#define QUANT_CPU_BANDS_H_

// Neighbouring blocks as lines of memory: how every layout but whole chunks is
// cut up. Internal to quant/cpu.
//
//   for (int64_t i = 0; i < LineBands(grid, false); ++i) {
//     const Band band = LineBandAt(grid, false, i);
//     for (int64_t r = 0; r < band.lines; ++r) {
//       Use(x + band.offset + r * band.stride, band.width);
//     }
//   }

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quant/block_grid.h"

namespace cnn_fp4::quant::cpu {

// a / b rounded up; a is not negative.
constexpr int64_t CeilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

// Line r, 0 <= r < lines, is `width` elements from offset + r * stride on.
struct Band {
  int64_t first_block = 0;
  int64_t blocks = 0;
  int64_t offset = 0;
  int64_t lines = 0;
  int64_t stride = 0;
  int64_t width = 0;
  // Element j of each line is of block j. Otherwise a line consists of runs:
  // elements of a block, or of grid.inner() blocks in turn.
  bool columns = false;
};

// Bands of 1-D blocks across memory, a block a column, at most `width` of them
// side by side. For neighbours that lie far apart.
int64_t ColumnBands(const BlockGrid& grid, int64_t width);
Band ColumnBandAt(const BlockGrid& grid, int64_t width, int64_t index);

// Bands of runs, lines of about kBandElements, as many more as a block takes.
// Blocks along memory may be of several rows, unless `by_row`.
inline constexpr int64_t kBandElements = 1024;
int64_t LineBands(const BlockGrid& grid, bool by_row);
Band LineBandAt(const BlockGrid& grid, bool by_row, int64_t index);

// That of some neighbouring blocks of a line.
Band LineBandOf(const BlockGrid& grid, int64_t first_block, int64_t blocks);

// Calls body(block, begin, count) for each run of a line: elements begin ..
// begin + count - 1 are of `block` of the band, or of it and the grid.inner()
// - 1 after it in turn.
template <class Body>
void ForEachRun(const BlockGrid& grid, const Band& band, const Body& body) {
  const int64_t inner = grid.inner();
  const int64_t numbers = grid.block_count_cols();
  int64_t number = band.first_block / inner % numbers;
  int64_t begin = 0;
  for (int64_t b = 0; b < band.blocks; b += inner) {
    const int64_t cols =
        std::min(grid.block_cols(), grid.cols() - number * grid.block_cols());
    const int64_t count = std::min(cols * inner, band.width - begin);
    body(b, begin, count);
    begin += count;
    if (++number == numbers) number = 0;
  }
}

// Calls body(offset, n) for each stretch of memory that a band consists of: one
// where its lines follow each other.
template <class Body>
void ForEachSpan(const Band& band, const Body& body) {
  if (band.width == band.stride)
    return body(band.offset, band.lines * band.width);
  for (int64_t r = 0; r < band.lines; ++r) {
    body(band.offset + r * band.stride, band.width);
  }
}

// Elements of a piece of a line such that every piece has the factors of the
// first one, which saves those of the whole line: about `most`, whole turns
// through the blocks, where the line is one run, else all of it.
int64_t PieceOfLine(const BlockGrid& grid, const Band& band, int64_t most);

// From a number for each block to one for each element of a line: the same ones
// for columns, else in of_elements.
const float* SpreadToLine(const BlockGrid& grid, const Band& band,
                          const float* of_blocks,
                          std::vector<float>& of_elements);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_BANDS_H_
