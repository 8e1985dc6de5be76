// Path::kColumns of quant/cpu/job.h: 1-D blocks across memory, each a column of
// up to kMaxStridedRows elements.

#include <algorithm>

#include "quant/cpu/bands.h"
#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {

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

void QuantizeInColumns(const Job& job, const Band& band, Scratch& scratch) {
  const size_t inner = job.grid.inner();
  const Source source =
      Rotated(job, job.x + band.offset, band.lines, inner, band.width, scratch);
  const size_t random_stride = kColumnsAtOnce;
  const RandomBits random = FillRandomRows(job, band.offset, band.lines, inner,
                                           band.width, random_stride, scratch);
  for (int64_t j = 0; j < band.width;) {
    RandomBits at = random;
    if (at.bytes != nullptr) at.bytes += j;
    if (at.words != nullptr) at.words += j;
    j += QuantizeColumns(job.params, source.x + j, band.lines, source.stride,
                         band.width - j, at, random_stride,
                         OutputAt(job, band.first_block + j, band.offset + j),
                         inner);
    if (j < band.width) {
      const int64_t count = std::min<int64_t>(kUnit, band.width - j);
      QuantizeSlowly(job, band.first_block + j, count, scratch);
      j += count;
    }
  }
}

}  // namespace cnn_fp4::quant::cpu
