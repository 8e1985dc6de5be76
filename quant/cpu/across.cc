// Blocks that lie across memory, and 2-D blocks: quant/cpu/job.h.
//
// Path::kColumns  one kernel for a column of up to kMaxStridedRows rows;
// Path::kTall     amaxes, factors, then row by row;
// Path::kBand     amaxes over the rows, then over the columns of each block,
//                 factors spread to elements, then row by row.

#include <algorithm>
#include <cstring>

#include "quant/cpu/job.h"
#include "quant/cpu/prefetch.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kColumnsWidth = 1024;
constexpr int64_t kTallWidth = 256;
constexpr int64_t kBandWidth = 1024;

// Columns j0 .. j0 + width - 1 of the block row l of outer position o.
Strip StripOf(const BlockGrid& grid, int64_t task, int64_t strip_width) {
  const int64_t strips = CeilDiv(grid.inner(), strip_width);
  const int64_t j = task % strips * strip_width;
  const int64_t l = task / strips % grid.block_count_cols();
  const int64_t o = task / strips / grid.block_count_cols();
  Strip strip;
  strip.first_block = (o * grid.block_count_cols() + l) * grid.inner() + j;
  strip.offset = (o * grid.cols() + l * grid.block_cols()) * grid.inner() + j;
  strip.rows = std::min(grid.block_cols(), grid.cols() - l * grid.block_cols());
  strip.width = std::min(strip_width, grid.inner() - j);
  return strip;
}

bool AllFinite(const uint32_t* amax_bits, size_t n) {
  return std::all_of(amax_bits, amax_bits + n,
                     [](uint32_t bits) { return bits < 0x7F800000u; });
}

// Rows under factors that all rows share.
void QuantizeRows(const Job& job, const Source& source, int64_t offset,
                  int64_t rows, int64_t row_stride, int64_t width,
                  const float* factors, const float* value_factors,
                  Scratch& scratch) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = offset + r * row_stride;
    const KernelOutput out = OutputAt(job, 0, at);
    QuantizeElements(job.params, source.x + r * source.stride, width, factors,
                     value_factors, FillRandom(job, at, width, scratch),
                     out.values, out.codes);
  }
}

void RunTall(const Job& job, int64_t task, Scratch& scratch) {
  const Strip strip = StripOf(job.grid, task, kTallWidth);
  const size_t inner = job.grid.inner();
  const Source source = Rotated(job, job.x + strip.offset, strip.rows, inner,
                                strip.width, scratch);
  uint32_t* amax_bits = Grown(scratch.amax_bits, strip.width);
  ColumnAmaxBits(source.x, strip.rows, source.stride, strip.width, amax_bits);
  if (!AllFinite(amax_bits, strip.width)) {
    return QuantizeSlowly(job, strip.first_block, strip.width, scratch);
  }
  FindFactors(job, strip.first_block, amax_bits, strip.width, scratch);
  QuantizeRows(job, source, strip.offset, strip.rows, inner, strip.width,
               scratch.factors.data(), scratch.value_factors.data(), scratch);
}

// From one value a block, at the front, to one an element, behind those, and to
// the front again.
void SpreadToElements(float* values, const BlockGrid& grid, int64_t cols,
                      int64_t block_cols) {
  const int64_t inner = grid.inner();
  const int64_t blocks = block_cols * inner;
  float* to = values + blocks;
  for (int64_t b = 0; b < block_cols; ++b) {
    const float* from = values + b * inner;
    const int64_t count =
        std::min(grid.block_cols(), cols - b * grid.block_cols());
    if (inner == 1) {
      std::fill_n(to, count, *from);
      to += count;
      continue;
    }
    for (int64_t c = 0; c < count; ++c) to = std::copy_n(from, inner, to);
  }
  memmove(values, values + blocks, cols * inner * sizeof(float));
}

// The same the other way round: the largest of each block's elements.
void BlockMaxBits(const BlockGrid& grid, const uint32_t* element_bits,
                  int64_t cols, int64_t block_cols, uint32_t* block_bits) {
  const int64_t inner = grid.inner();
  for (int64_t b = 0; b < block_cols; ++b) {
    const int64_t begin = b * grid.block_cols();
    const int64_t end = std::min(begin + grid.block_cols(), cols);
    for (int64_t i = 0; i < inner; ++i) {
      uint32_t max = 0;
      for (int64_t c = begin; c < end; ++c) {
        max = std::max(max, element_bits[c * inner + i]);
      }
      block_bits[b * inner + i] = max;
    }
  }
}

// Whether each row of each block is a whole unit, as in tiles of 16 x 16.
bool BlocksAreUnits(const BlockGrid& grid) {
  const int64_t unit = kUnit;
  return grid.inner() == 1 && grid.block_cols() == unit &&
         grid.cols() % unit == 0;
}

int64_t BlocksInBand(const BlockGrid& grid) {
  return std::max<int64_t>(1, kBandWidth / (grid.block_cols() * grid.inner()));
}

void RunBand(const Job& job, int64_t task, Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t inner = grid.inner();
  const int64_t per_band = BlocksInBand(grid);
  const int64_t bands = CeilDiv(grid.block_count_cols(), per_band);
  // Blocks first_col .. of block row `line`, counted over outer, block rows and
  // middle.
  const int64_t first_col = task % bands * per_band;
  const int64_t line = task / bands;
  const int64_t block_cols =
      std::min(per_band, grid.block_count_cols() - first_col);
  const int64_t first_block =
      (line * grid.block_count_cols() + first_col) * inner;
  const BlockGrid::Block first = grid.block(first_block);
  const int64_t cols = std::min(block_cols * grid.block_cols(),
                                grid.cols() - first_col * grid.block_cols());
  const int64_t width = cols * inner;
  const int64_t blocks = block_cols * inner;

  // 1-D only: groups lie across `inner`.
  Source source{job.x + first.offset, static_cast<size_t>(grid.row_stride())};
  if (job.recipe.hadamard) {
    source = Rotated(job, source.x, cols, inner, inner, scratch);
  }
  uint32_t* element_bits = Grown(scratch.amax_bits, width + blocks);
  uint32_t* block_bits = element_bits + width;
  ColumnAmaxBits(source.x, first.rows, source.stride, width, element_bits);
  const bool units = BlocksAreUnits(grid);
  if (units) {
    UnitMaxBits(element_bits, block_cols, block_bits);
  } else {
    BlockMaxBits(grid, element_bits, cols, block_cols, block_bits);
  }
  if (!AllFinite(block_bits, blocks)) {
    return QuantizeSlowly(job, first_block, blocks, scratch);
  }
  FindFactors(job, first_block, block_bits, blocks, scratch);
  if (units) {
    // The next band is fetched while this one is computed: else the one would
    // wait for the other, since a band is first read as a whole.
    const auto row_bytes = static_cast<int64_t>(width * sizeof(float));
    const int64_t ahead = bands == 1 ? first.rows * grid.row_stride() : width;
    for (int64_t r = 0; r < first.rows; ++r) {
      const int64_t at = first.offset + r * grid.row_stride();
      if (at + ahead + width <= grid.size()) {
        Prefetch<0>(job.x + at + ahead, row_bytes);
        if (job.output.values != nullptr && !job.output.stream) {
          Prefetch<0>(job.output.values + at + ahead, row_bytes);
        }
      }
      QuantizeUnits(job.params, source.x + r * source.stride, block_cols,
                    scratch.factors.data(), scratch.value_factors.data(),
                    FillRandom(job, at, width, scratch), OutputAt(job, 0, at));
    }
    return;
  }
  float* factors = Grown(scratch.factors, width + blocks);
  float* value_factors = Grown(scratch.value_factors, width + blocks);
  SpreadToElements(factors, grid, cols, block_cols);
  SpreadToElements(value_factors, grid, cols, block_cols);
  QuantizeRows(job, source, first.offset, first.rows, grid.row_stride(), width,
               factors, value_factors, scratch);
}

}  // namespace

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

int64_t Strips(const Job& job) {
  const BlockGrid& grid = job.grid;
  return grid.outer() * grid.block_count_cols() *
         CeilDiv(grid.inner(), kColumnsWidth);
}

Strip StripAt(const Job& job, int64_t index) {
  return StripOf(job.grid, index, kColumnsWidth);
}

void RunStrip(const Job& job, const Strip& strip, Scratch& scratch) {
  const size_t inner = job.grid.inner();
  const Source source = Rotated(job, job.x + strip.offset, strip.rows, inner,
                                strip.width, scratch);
  const size_t random_stride = kColumnsWidth;
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

int64_t AcrossTasks(const Job& job) {
  const BlockGrid& grid = job.grid;
  if (job.plan.path == Path::kColumns) return Strips(job);
  if (job.plan.path == Path::kTall) {
    return grid.outer() * grid.block_count_cols() *
           CeilDiv(grid.inner(), kTallWidth);
  }
  return grid.outer() * grid.block_count_rows() * grid.middle() *
         CeilDiv(grid.block_count_cols(), BlocksInBand(grid));
}

void RunAcrossTask(const Job& job, int64_t task, Scratch& scratch) {
  if (job.plan.path == Path::kColumns) {
    return RunStrip(job, StripAt(job, task), scratch);
  }
  if (job.plan.path == Path::kTall) return RunTall(job, task, scratch);
  RunBand(job, task, scratch);
}

}  // namespace cnn_fp4::quant::cpu
