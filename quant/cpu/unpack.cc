#include "quant/cpu/unpack.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quant/cpu/cache_size.h"
#include "quant/cpu/job.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cpu {
namespace {

struct Buffers {
  std::vector<float> factors;
};

// What the codes of blocks are multiplied by: stored scale times tensor scale,
// or for the operand of a GEMM the stored scale.
class BlockFactorsOf {
 public:
  BlockFactorsOf(const PackedTensor& packed, bool operand)
      : packed_(packed), operand_(operand) {
    for (int code = 0; code < 256; ++code) {
      const float stored = packed.recipe.scale_format == ScaleFormat::kE8m0
                               ? DecodeE8m0(static_cast<uint8_t>(code))
                               : DecodeE4m3(static_cast<uint8_t>(code));
      table_[code] = Factor(stored, 0);
    }
  }

  // Those of `count` blocks, each `repeat` times.
  void Fill(int64_t first, int64_t count, int64_t repeat, float* to) const {
    if (repeat == 1 && !packed_.scales.empty() &&
        packed_.tensor_scales.size() == 1) {
      const uint8_t* codes = packed_.scales.data() + first;
      for (int64_t i = 0; i < count; ++i) to[i] = table_[codes[i]];
      return;
    }
    for (int64_t b = first; b < first + count; ++b) {
      to = std::fill_n(to, repeat, at(b));
    }
  }

  float at(int64_t block) const {
    if (packed_.recipe.scale_format == ScaleFormat::kFloat32) {
      return packed_.scales_float32[block];
    }
    const uint8_t code = packed_.scales[block];
    if (packed_.tensor_scales.size() == 1) return table_[code];
    return Factor(DecodeE4m3(code), packed_.grid.block(block).row);
  }

 private:
  float Factor(float stored, int64_t row) const {
    if (operand_ || packed_.recipe.tensor_scale == TensorScale::kNone) {
      return stored;
    }
    const float scale =
        packed_.tensor_scales.empty() ? 1.0f : packed_.tensor_scales[row];
    return packed_.recipe.scale_rule == ScaleRule::kCompressedTensors
               ? stored / scale
               : stored * scale;
  }

  const PackedTensor& packed_;
  const bool operand_;
  float table_[256];
};

// Blocks of whole units that follow each other.
void DequantizeSeamless(const PackedTensor& packed, const BlockFactorsOf& of,
                        absl::Span<float> y) {
  const int64_t block = packed.grid.block_cols();
  const int64_t units = block / static_cast<int64_t>(kUnit);
  const int64_t blocks = packed.grid.num_blocks();
  const int64_t per_task = std::max<int64_t>(1, kTaskElements / block);
  const bool stream =
      ShouldStream(packed.codes.size(), y.size() * sizeof(float));
  ParallelFor<Buffers>(
      CeilDiv(blocks, per_task), WorthThreads(y.size()),
      [&](int64_t task, Buffers& buffers) {
        const int64_t first = task * per_task;
        const int64_t count = std::min(per_task, blocks - first);
        buffers.factors.resize(count * units);
        of.Fill(first, count, units, buffers.factors.data());
        DequantizeUnits(packed.codes.data() + first * block / 2, count * units,
                        buffers.factors.data(), stream,
                        y.data() + first * block);
        if (stream) FlushStreams();
      },
      [](const Buffers&) {});
}

// The number of the first block of a line of memory: all columns of a row.
int64_t FirstBlock(const BlockGrid& grid, int64_t line) {
  const int64_t m = line % grid.middle();
  const int64_t r = line / grid.middle() % grid.rows();
  const int64_t o = line / grid.middle() / grid.rows();
  const int64_t block_line =
      (o * grid.block_count_rows() + r / grid.block_rows()) * grid.middle() + m;
  return block_line * grid.block_count_cols() * grid.inner();
}

// From so many elements on it is worth a call to de-quantise a column's.
constexpr int64_t kLongColumn = 256;

// Blocks across memory whose columns are long: a task takes some positions of
// all columns of a block, whose factors are the same.
void DequantizeColumns(const PackedTensor& packed, const BlockFactorsOf& of,
                       absl::Span<float> y) {
  const BlockGrid& grid = packed.grid;
  const int64_t inner = grid.inner();
  const int64_t piece = std::min<int64_t>(inner, kTaskElements / 4);
  const int64_t pieces = CeilDiv(inner, piece);
  const int64_t blocks = grid.block_count_cols();
  const int64_t lines = grid.outer() * grid.rows() * grid.middle();
  ParallelFor<Buffers>(
      lines * blocks * pieces, WorthThreads(y.size()),
      [&](int64_t task, Buffers& buffers) {
        const int64_t first = task % pieces * piece;
        const int64_t count = std::min(piece, inner - first);
        const int64_t number = task / pieces % blocks;
        const int64_t line = task / pieces / blocks;
        buffers.factors.resize(piece);
        of.Fill(FirstBlock(grid, line) + number * inner + first, count, 1,
                buffers.factors.data());
        const int64_t end =
            std::min(grid.cols(), (number + 1) * grid.block_cols());
        for (int64_t c = number * grid.block_cols(); c < end; ++c) {
          const int64_t offset = (line * grid.cols() + c) * inner + first;
          DequantizeElements(packed.codes.data(), offset, count,
                             buffers.factors.data(), y.data() + offset);
        }
      },
      [](const Buffers&) {});
}

// Any layout, one line after the other, in pieces.
void DequantizeLines(const PackedTensor& packed, const BlockFactorsOf& of,
                     absl::Span<float> y) {
  const BlockGrid& grid = packed.grid;
  const int64_t inner = grid.inner();
  const int64_t piece = std::max<int64_t>(1, kTaskElements / 4 / inner);
  const int64_t pieces = (grid.cols() + piece - 1) / piece;
  const int64_t lines = grid.outer() * grid.rows() * grid.middle();
  ParallelFor<Buffers>(
      lines * pieces, WorthThreads(y.size()),
      [&](int64_t task, Buffers& buffers) {
        const int64_t line = task / pieces;
        const int64_t first = task % pieces * piece;
        const int64_t end = std::min(grid.cols(), first + piece);
        buffers.factors.resize((end - first) * inner);
        float* to = buffers.factors.data();
        for (int64_t c = first; c < end;) {
          const int64_t number = c / grid.block_cols();
          const int64_t block_end =
              std::min(end, (number + 1) * grid.block_cols());
          of.Fill(FirstBlock(grid, line) + number * inner, inner, 1, to);
          // The block's other columns have the same.
          for (++c, to += inner; c < block_end; ++c, to += inner) {
            if (inner == 1) {
              *to = to[-1];
            } else {
              std::copy_n(to - inner, inner, to);
            }
          }
        }
        const int64_t offset = (line * grid.cols() + first) * inner;
        DequantizeElements(packed.codes.data(), offset, (end - first) * inner,
                           buffers.factors.data(), y.data() + offset);
      },
      [](const Buffers&) {});
}

}  // namespace

void Unpack(const PackedTensor& packed, bool operand, absl::Span<float> y) {
  if (y.empty()) return;  // No layout to cut up.
  const BlockGrid& grid = packed.grid;
  const BlockFactorsOf of(packed, operand);
  const int64_t unit = kUnit;
  if (AlongMemory(grid) && IsSeamless(grid) && grid.block_cols() % unit == 0) {
    DequantizeSeamless(packed, of, y);
  } else if (grid.inner() >= kLongColumn) {
    DequantizeColumns(packed, of, y);
  } else {
    DequantizeLines(packed, of, y);
  }
}

void PackAll(absl::Span<const uint8_t> codes, uint8_t* packed) {
  const int64_t n = codes.size();
  ParallelFor<Buffers>(
      CeilDiv(n, kTaskElements), WorthThreads(n),
      [&](int64_t task, Buffers&) {
        const int64_t first = task * kTaskElements;
        PackCodes(codes.data() + first, std::min(kTaskElements, n - first),
                  packed + first / 2);
      },
      [](const Buffers&) {});
}

}  // namespace cnn_fp4::quant::cpu
