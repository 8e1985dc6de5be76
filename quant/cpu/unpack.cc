#include "quant/cpu/unpack.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quant/cpu/bands.h"
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
  std::vector<float> factors, line_factors;
};

// From so many elements between neighbours of a block on it is worth a call to
// de-quantise one of each block.
constexpr int64_t kFarApart = 256;
constexpr int64_t kColumnsInBand = 4096;

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

// Every other layout, band by band; a band that is one long run in pieces.
template <class BandOf>
void DequantizeBands(const PackedTensor& packed, const BlockFactorsOf& of,
                     int64_t bands, const BandOf& band_of,
                     absl::Span<float> y) {
  const Band widest = band_of(0);
  const int64_t piece = PieceOfLine(packed.grid, widest, kTaskElements);
  const int64_t pieces = CeilDiv(widest.width, piece);
  const int64_t count = bands * pieces;
  const int64_t per_task =
      std::max<int64_t>(1, kTaskElements * count / packed.grid.size());
  ParallelFor<Buffers>(
      CeilDiv(count, per_task), WorthThreads(y.size()),
      [&](int64_t task, Buffers& buffers) {
        const int64_t end = std::min(count, (task + 1) * per_task);
        for (int64_t i = task * per_task; i < end; ++i) {
          Band band = band_of(i / pieces);
          const int64_t begin = i % pieces * piece;
          if (begin >= band.width) continue;
          band.width = std::min(piece, band.width - begin);
          float* of_blocks = Grown(buffers.factors, band.blocks);
          of.Fill(band.first_block, band.blocks, 1, of_blocks);
          const float* factors =
              SpreadToLine(packed.grid, band, of_blocks, buffers.line_factors);
          for (int64_t r = 0; r < band.lines; ++r) {
            const int64_t at = band.offset + r * band.stride + begin;
            DequantizeElements(packed.codes.data(), at, band.width, factors,
                               y.data() + at);
          }
        }
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
  } else if (IsOneDimensional(grid) && grid.inner() >= kFarApart) {
    DequantizeBands(
        packed, of, ColumnBands(grid, kColumnsInBand),
        [&](int64_t b) { return ColumnBandAt(grid, kColumnsInBand, b); }, y);
  } else {
    DequantizeBands(
        packed, of, LineBands(grid, false),
        [&](int64_t b) { return LineBandAt(grid, false, b); }, y);
  }
}

}  // namespace cnn_fp4::quant::cpu
