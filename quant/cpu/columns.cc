// Path::kColumns of quant/cpu/job.h: 1-D blocks across memory, each a column of
// up to kMaxStridedRows elements.

#include <algorithm>

#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {

int64_t Strips(const BlockGrid& grid, int64_t width) {
  return grid.outer() * grid.block_count_cols() * CeilDiv(grid.inner(), width);
}

Strip StripAt(const BlockGrid& grid, int64_t width, int64_t index) {
  const int64_t strips = CeilDiv(grid.inner(), width);
  const int64_t j = index % strips * width;
  const int64_t l = index / strips % grid.block_count_cols();
  const int64_t o = index / strips / grid.block_count_cols();
  Strip strip;
  strip.first_block = (o * grid.block_count_cols() + l) * grid.inner() + j;
  strip.offset = (o * grid.cols() + l * grid.block_cols()) * grid.inner() + j;
  strip.rows = std::min(grid.block_cols(), grid.cols() - l * grid.block_cols());
  strip.width = std::min(width, grid.inner() - j);
  return strip;
}

Source Rotated(const Job& job, const float* x, size_t rows, size_t stride,
               size_t width, Scratch& scratch) {
  if (!job.recipe.hadamard) return {x, stride};
  float* y = Grown(scratch.x, rows * width);
  for (size_t r = 0; r < rows; r += kHadamardSize) {
    HadamardRows(x + r * stride, stride, width, job.options.hadamard_signs,
                 y + r * width, width);
  }
  return {y, width};
}

void RunStrip(const Job& job, const Strip& strip, Scratch& scratch) {
  const size_t inner = job.grid.inner();
  const Source source = Rotated(job, job.x + strip.offset, strip.rows, inner,
                                strip.width, scratch);
  const size_t random_stride = kStripWidth;
  const RandomBits random = FillRandomRows(job, strip.offset, strip.rows, inner,
                                           strip.width, random_stride, scratch);
  for (int64_t j = 0; j < strip.width;) {
    RandomBits at = random;
    if (at.bytes != nullptr) at.bytes += j;
    if (at.words != nullptr) at.words += j;
    j += QuantizeColumns(job.params, source.x + j, strip.rows, source.stride,
                         strip.width - j, at, random_stride,
                         OutputAt(job, strip.first_block + j, strip.offset + j),
                         inner);
    if (j < strip.width) {
      const int64_t count = std::min<int64_t>(kUnit, strip.width - j);
      QuantizeSlowly(job, strip.first_block + j, count, scratch);
      j += count;
    }
  }
}

}  // namespace cnn_fp4::quant::cpu
