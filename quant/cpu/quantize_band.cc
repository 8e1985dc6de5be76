// Path::kBands of quant/cpu/job.h: every layout without a kernel of its own, in
// two passes over some blocks that the first-level cache holds. The first finds
// their amaxes, from which their factors follow; the second rounds elements.

#include <algorithm>
#include <cstring>

#include "quant/cpu/bands.h"
#include "quant/cpu/job.h"
#include "quant/cpu/prefetch.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kColumnsInBand = 256;

constexpr uint32_t kInfinityBits = 0x7F800000u;

// Blocks across memory so wide apart that a line holds one element of each.
bool HasColumns(const BlockGrid& grid) {
  const int64_t unit = kUnit;
  return IsOneDimensional(grid) && grid.inner() >= unit;
}

// Whether each line of each block is a whole unit, as in tiles of 16 x 16.
bool BlocksAreUnits(const BlockGrid& grid) {
  const int64_t unit = kUnit;
  return grid.inner() == 1 && grid.block_cols() == unit &&
         grid.cols() % unit == 0;
}

// The band's elements after the Hadamard transform, if there is one. Only 1-D
// blocks are transformed: their groups lie along a line, or across lines.
Source RotatedLines(const Job& job, const Band& band, Scratch& scratch) {
  const float* x = band.lines == 1
                       ? SourceAt(job, band.offset, band.width, scratch)
                       : job.x + band.offset;
  const int64_t inner = job.grid.inner();
  if (band.columns) {
    return Rotated(job, x, band.lines, band.stride, band.width, scratch);
  }
  if (inner > 1 && job.recipe.hadamard) {
    return Rotated(job, x, band.width / inner, inner, inner, scratch);
  }
  return {Rotated(job, x, band.width, scratch),
          static_cast<size_t>(band.stride)};
}

// The bits of each block's amax.
const uint32_t* FindBlockAmaxes(const Job& job, const Band& band,
                                const Source& source, Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  uint32_t* of_blocks = Grown(scratch.amax_bits, band.blocks);
  if (band.columns) {
    ColumnAmaxBits(source.x, band.lines, source.stride, band.width, of_blocks);
    return of_blocks;
  }
  const float* line = source.x;
  if (band.lines > 1) {
    // All lines become one.
    uint32_t* bits = Grown(scratch.line_bits, band.width);
    float* magnitudes = Grown(scratch.values, band.width);
    ColumnAmaxBits(source.x, band.lines, source.stride, band.width, bits);
    memcpy(magnitudes, bits, band.width * sizeof(float));
    line = magnitudes;
  }
  const int64_t inner = grid.inner();
  ForEachRun(grid, band, [&](int64_t block, int64_t begin, int64_t count) {
    if (inner == 1) {
      of_blocks[block] = AmaxBits(line + begin, count);
    } else {
      ColumnAmaxBits(line + begin, count / inner, inner, inner,
                     of_blocks + block);
    }
  });
  return of_blocks;
}

// Lines of whole units, a factor each. The next band is fetched while this one
// is computed: else the one would wait for the other, since a band is first
// read as a whole.
void QuantizeUnitLines(const Job& job, const Band& band, const Source& source,
                       Scratch& scratch) {
  const auto bytes = static_cast<int64_t>(band.width * sizeof(float));
  const bool whole_line = band.width == job.grid.row_stride();
  const int64_t ahead = whole_line ? band.lines * band.stride : band.width;
  for (int64_t r = 0; r < band.lines; ++r) {
    const int64_t at = band.offset + r * band.stride;
    if (job.x != nullptr && at + ahead + band.width <= job.grid.size()) {
      Prefetch<0>(job.x + at + ahead, bytes);
      if (job.output.values != nullptr && !job.output.stream) {
        Prefetch<0>(job.output.values + at + ahead, bytes);
      }
    }
    QuantizeUnits(job.params, source.x + r * source.stride, band.blocks,
                  scratch.factors.data(), scratch.value_factors.data(),
                  FillRandom(job, at, band.width, scratch),
                  OutputAt(job, 0, at));
  }
}

}  // namespace

int64_t Bands(const Job& job) {
  return HasColumns(job.grid) ? ColumnBands(job.grid, kColumnsInBand)
                              : LineBands(job.grid, job.plan.row_by_row);
}

Band BandAt(const Job& job, int64_t index) {
  return HasColumns(job.grid)
             ? ColumnBandAt(job.grid, kColumnsInBand, index)
             : LineBandAt(job.grid, job.plan.row_by_row, index);
}

void QuantizeLine(const Job& job, int64_t at, const float* x, int64_t n,
                  const float* factors, const float* value_factors,
                  Scratch& scratch) {
  const KernelOutput out = OutputAt(job, 0, at);
  uint8_t* codes = out.packed == nullptr ? out.codes : Grown(scratch.codes, n);
  QuantizeElements(job.params, x, n, factors, value_factors,
                   FillRandom(job, at, n, scratch), out.values, codes);
  // Whole bytes, or the job would not pack directly.
  if (out.packed != nullptr) PackCodes(codes, n, out.packed);
}

void QuantizeBand(const Job& job, const Band& band, Scratch& scratch) {
  const Source source = RotatedLines(job, band, scratch);
  const uint32_t* amax_bits = FindBlockAmaxes(job, band, source, scratch);
  const bool finite =
      std::all_of(amax_bits, amax_bits + band.blocks,
                  [](uint32_t bits) { return bits < kInfinityBits; });
  if (!finite) {
    return QuantizeSlowly(job, band.first_block, band.blocks, scratch);
  }
  FindFactors(job, band.first_block, amax_bits, band.blocks, scratch);
  if (!band.columns && BlocksAreUnits(job.grid) &&
      job.output.packed == nullptr) {
    return QuantizeUnitLines(job, band, source, scratch);
  }
  const int64_t piece = PieceOfLine(job.grid, band, kBandElements);
  Band spread = band;
  spread.width = piece;
  const float* factors = SpreadToLine(job.grid, spread, scratch.factors.data(),
                                      scratch.line_factors);
  const float* value_factors =
      SpreadToLine(job.grid, spread, scratch.value_factors.data(),
                   scratch.line_value_factors);
  for (int64_t r = 0; r < band.lines; ++r) {
    for (int64_t j = 0; j < band.width; j += piece) {
      QuantizeLine(job, band.offset + r * band.stride + j,
                   source.x + r * source.stride + j,
                   std::min(piece, band.width - j), factors, value_factors,
                   scratch);
    }
  }
}

}  // namespace cnn_fp4::quant::cpu
