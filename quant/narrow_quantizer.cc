// Blocks that follow each other in memory are quantised in registers where a
// kernel can, else through FP32 pieces that stay in the second-level cache;
// blocks across memory through FP32 panels that do. What is left, 2-D blocks,
// row scales, transforms, goes through a whole FP32 copy.

#include "quant/narrow_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "quant/cpu/cache_size.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/narrow.h"
#include "quant/cpu/narrow_kernels.h"
#include "quant/cpu/narrow_packed.h"
#include "quant/cpu/parallel.h"
#include "quant/cpu/prefetch.h"
#include "quant/formats/float16.h"
#include "quant/quantizer.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

// A piece of FP32 in and one of FP32 out fit the second-level cache, and are
// worth a call of the quantiser.
constexpr int64_t kPiece = 16384;

// Elements of a panel that stays in the first-level cache, and floats of a
// cache line.
constexpr int64_t kPanel = kPiece / 2;
constexpr int64_t kLine = 16;

// What a thread works in, not on its stack, which may be small.
struct PieceState {
  std::unique_ptr<float[]> x = std::unique_ptr<float[]>(new float[kPiece]);
  std::unique_ptr<float[]> y = std::unique_ptr<float[]>(new float[kPiece]);
  absl::Status status;
};

// Blocks that a piece holds a whole number of.
bool CanGoInPieces(const Recipe& recipe, const BlockGrid& grid) {
  return grid.rows() == 1 && grid.middle() == 1 && grid.inner() == 1 &&
         grid.cols() % grid.block_cols() == 0 &&
         kPiece % grid.block_cols() == 0 &&
         recipe.tensor_scale != TensorScale::kPerRow && !recipe.hadamard;
}

// Blocks across memory of which a panel holds a few. Random bits are counted
// along memory, which a panel is not.
bool CanGoInPanels(const Recipe& recipe, const BlockGrid& grid) {
  return grid.rows() == 1 && grid.middle() == 1 && grid.inner() >= kLine &&
         grid.block_cols() <= kPanel / (2 * kLine) &&
         recipe.tensor_scale != TensorScale::kPerRow && !recipe.hadamard &&
         !IsStochastic(recipe.rounding);
}

// Whether chunks need no FP32 copy. The kernel rounds large values to infinity.
bool HasNarrowKernel(const Recipe& recipe, const BlockGrid& grid,
                     const QuantizeOptions& options) {
  return !IsStochastic(recipe.rounding) && options.block_scales.empty() &&
         cpu::HasChunkKernel(grid.block_cols()) &&
         options.nonfinite != NonFinitePolicy::kSaturate &&
         !ComparesErrors(recipe.scale_rule);
}

int64_t Pieces(int64_t size) { return size / kPiece + (size % kPiece != 0); }

const uint16_t* BitsOf(const TensorView& x) {
  return static_cast<const uint16_t*>(x.data);
}

std::optional<float> AmaxIfFinite(const TensorView& x) {
  if (x.dtype != DType::kFloat32) return NarrowAmax(x);
  const absl::StatusOr<float> amax = Amax(x);
  if (!amax.ok()) return std::nullopt;
  return *amax;
}

// Same narrow type in and out, chunk by chunk. An error, with y undefined, if
// an element is not finite.
absl::Status FakeQuantizeChunks(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const MutableTensorView& y,
                                float amax) {
  struct State {
    bool failed = false;
  };
  const int64_t chunk = cpu::kChunk;
  const auto quantize = x.dtype == DType::kFloat16
                            ? cpu::QuantizeHalfChunks
                            : cpu::QuantizeBfloat16Chunks;
  const int64_t block_units =
      grid.block_cols() / static_cast<int64_t>(cpu::kUnit);
  cpu::KernelParams params;
  params.rule = recipe.scale_rule;
  params.rounding = recipe.rounding;
  params.tensor =
      MakeTensorFactors(recipe.scale_rule, recipe.rounding, recipe.scale_max,
                        recipe.tensor_scale != TensorScale::kNone, amax);
  const size_t bytes = x.size * sizeof(uint16_t);
  const bool stream = x.data != y.data && cpu::ShouldStream(bytes, bytes);
  bool failed = false;
  cpu::ParallelFor<State>(
      Pieces(x.size), cpu::WorthThreads(x.size),
      [&](int64_t piece, State& state) {
        const int64_t first = piece * kPiece;
        const int64_t n = std::min(kPiece, x.size - first);
        const int64_t chunks = n / chunk;
        const uint16_t* from = BitsOf(x) + first;
        uint16_t* to = static_cast<uint16_t*>(y.data) + first;
        const size_t done =
            quantize(params, block_units, from, chunks, stream, to);
        if (stream) cpu::FlushStreams();
        state.failed = state.failed || static_cast<int64_t>(done) < chunks;
        const int64_t rest = n % chunk;
        if (rest == 0) return;
        uint16_t last[cpu::kChunk] = {};
        std::copy_n(from + chunks * chunk, rest, last);
        if (quantize(params, block_units, last, 1, false, last) == 0) {
          state.failed = true;
        }
        std::copy_n(last, rest, to + chunks * chunk);
      },
      [&](const State& state) { failed = failed || state.failed; });
  if (!failed) return absl::OkStatus();
  return absl::InvalidArgumentError("an element is not finite");
}

// The recipe of a grid's blocks, which are 1-D: where tiles lie on a tensor of
// one row, its blocks are one side of them, whichever runs along memory.
Recipe OneDimensional(Recipe recipe, const BlockGrid& grid) {
  recipe.block_rows = 1;
  recipe.block_cols = grid.block_cols();
  return recipe;
}

// Asks for elements of a tensor, as far as it has them, ahead of time.
template <int kWrite, class View>
void PrefetchElements(const View& view, int64_t first, int64_t n) {
  const int64_t size = SizeOf(view.dtype);
  cpu::Prefetch<kWrite>(static_cast<const char*>(view.data) + first * size,
                        std::min(n, view.size - first) * size);
}

// Runs of elements that hold whole blocks, `stride` apart, and those blocks as
// a tensor of their own.
struct Piece {
  int64_t first = 0;  // Element.
  int64_t rows = 1;
  int64_t cols = 0;
  int64_t stride = 0;
  int64_t first_block = 0;
  BlockGrid grid;
};

// A piece by way of FP32, under a recipe for 1-D blocks. y is as it was if the
// piece is refused.
absl::Status QuantizePiece(const Recipe& recipe, const Piece& piece,
                           const TensorView& x, const MutableTensorView& y,
                           const QuantizeOptions& options, PieceState& state) {
  const int64_t cols = piece.cols;
  for (int64_t r = 0; r < piece.rows; ++r) {
    const int64_t at = piece.first + r * piece.stride;
    cpu::Widen(x, at, cols, state.x.get() + r * cols);
    if (piece.rows == 1) continue;
    // What is written in a moment, and probably read next: rows are too short
    // for the CPU to guess.
    PrefetchElements<1>(y, at, cols);
    PrefetchElements<0>(x, at + cols, cols);
  }
  QuantizeOptions of_piece = options;
  of_piece.first_element += piece.first;
  if (!options.block_scales.empty()) {
    of_piece.block_scales = options.block_scales.subspan(
        piece.first_block, piece.grid.num_blocks());
  }
  const int64_t size = piece.rows * cols;
  const absl::Status status =
      FakeQuantize(recipe, piece.grid, absl::MakeConstSpan(state.x.get(), size),
                   absl::MakeSpan(state.y.get(), size), of_piece);
  if (!status.ok()) return status;
  if (options.nonfinite == NonFinitePolicy::kSaturate) {
    cpu::LimitTo(y.dtype, state.y.get(), size);
  }
  for (int64_t r = 0; r < piece.rows; ++r) {
    cpu::Narrow(state.y.get() + r * cols, cols, y,
                piece.first + r * piece.stride);
  }
  return status;
}

// The same for any two types, in FP32 pieces.
absl::Status FakeQuantizePieces(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const MutableTensorView& y,
                                const QuantizeOptions& options) {
  const Recipe one_dimensional = OneDimensional(recipe, grid);
  absl::Status status;
  cpu::ParallelFor<PieceState>(
      Pieces(x.size), cpu::WorthThreads(x.size),
      [&](int64_t index, PieceState& state) {
        Piece piece;
        piece.first = index * kPiece;
        piece.cols = std::min(kPiece, x.size - piece.first);
        piece.first_block = piece.first / grid.block_cols();
        piece.grid = *BlockGrid::Flat(piece.cols, one_dimensional);
        state.status.Update(
            QuantizePiece(one_dimensional, piece, x, y, options, state));
      },
      [&](const PieceState& state) { status.Update(state.status); });
  return status;
}

// Columns of a panel: about kPanel's share, and an odd number of cache lines,
// so that its rows do not all fall on the same few sets. With kPanel / (2 *
// kLine) rows or fewer that is at most kPiece in all.
int64_t PanelWidth(const BlockGrid& grid) {
  const int64_t most = std::max(kLine, kPanel / grid.block_cols());
  const int64_t strips = (grid.inner() + most - 1) / most;
  const int64_t even_share = (grid.inner() + strips - 1) / strips;
  return ((even_share + kLine - 1) / kLine | 1) * kLine;
}

// The same for blocks across memory: panels of one block's rows.
absl::Status FakeQuantizePanels(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const MutableTensorView& y,
                                const QuantizeOptions& options) {
  const int64_t inner = grid.inner();
  const int64_t width = PanelWidth(grid);
  const int64_t strips = (inner + width - 1) / width;
  const Recipe one_dimensional = OneDimensional(recipe, grid);
  absl::Status status;
  cpu::ParallelFor<PieceState>(
      grid.outer() * grid.block_count_cols() * strips,
      cpu::WorthThreads(x.size),
      [&](int64_t panel, PieceState& state) {
        const int64_t column = panel % strips * width;
        const int64_t line = panel / strips;  // Over outer and blocks.
        const int64_t outer = line / grid.block_count_cols();
        const int64_t row = line % grid.block_count_cols() * grid.block_cols();
        Piece piece;
        piece.first = (outer * grid.cols() + row) * inner + column;
        piece.rows = std::min(grid.block_cols(), grid.cols() - row);
        piece.cols = std::min(width, inner - column);
        piece.stride = inner;
        piece.first_block = line * inner + column;
        piece.grid =
            *BlockGrid::Along({piece.rows, piece.cols}, 0, one_dimensional);
        state.status.Update(
            QuantizePiece(one_dimensional, piece, x, y, options, state));
      },
      [&](const PieceState& state) { status.Update(state.status); });
  return status;
}

}  // namespace

absl::Status QuantizeNarrowInto(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, PackedTensor* out,
                                const QuantizeOptions& options) {
  if (cpu::CanPackNarrow(recipe, grid, options)) {
    QuantizeOptions with_amax = options;
    const bool need_amax = recipe.tensor_scale == TensorScale::kPerTensor &&
                           !options.tensor_amax.has_value();
    if (need_amax && !recipe.hadamard) with_amax.tensor_amax = NarrowAmax(x);
    if (!need_amax || with_amax.tensor_amax.has_value()) {
      return cpu::PackNarrow(recipe, grid, x, with_amax, out);
    }
  }
  // Also where an amax is not that of x as it is: transformed, or not finite.
  std::vector<float> wide(x.size);
  cpu::WidenAll(x, wide.data());
  return QuantizeInto(recipe, grid, wide, out, options);
}

std::optional<float> NarrowAmax(const TensorView& x) {
  struct State {
    uint16_t bits = 0;
  };
  uint16_t bits = 0;
  cpu::ParallelFor<State>(
      Pieces(x.size), cpu::WorthThreads(x.size),
      [&](int64_t piece, State& state) {
        const int64_t first = piece * kPiece;
        const int64_t n = std::min(kPiece, x.size - first);
        state.bits =
            std::max(state.bits, cpu::MaxMagnitudeBits(BitsOf(x) + first, n));
      },
      [&](const State& state) { bits = std::max(bits, state.bits); });
  const float amax =
      x.dtype == DType::kFloat16 ? DecodeHalf(bits) : DecodeBfloat16(bits);
  if (!std::isfinite(amax)) return std::nullopt;
  return amax;
}

absl::Status FakeQuantizeNarrow(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const MutableTensorView& y,
                                const QuantizeOptions& options) {
  const bool in_place = x.size > 0 && x.data == y.data;
  QuantizeOptions with_amax = options;
  const bool in_panels = CanGoInPanels(recipe, grid);
  bool in_pieces = in_panels || CanGoInPieces(recipe, grid);
  // Also where no amax is needed but x is overwritten: what is not finite must
  // be known before.
  const bool need_amax = recipe.tensor_scale != TensorScale::kNone &&
                         !options.tensor_amax.has_value();
  if (in_pieces && (need_amax || in_place)) {
    const std::optional<float> amax = AmaxIfFinite(x);
    if (!amax.has_value()) in_pieces = false;
    if (need_amax) with_amax.tensor_amax = amax;
  }
  if (in_pieces) {
    const auto run = [&] {
      if (in_panels) return FakeQuantizePanels(recipe, grid, x, y, with_amax);
      if (x.dtype == y.dtype && HasNarrowKernel(recipe, grid, options)) {
        return FakeQuantizeChunks(recipe, grid, x, y,
                                  with_amax.tensor_amax.value_or(0.0f));
      }
      return FakeQuantizePieces(recipe, grid, x, y, with_amax);
    };
    const absl::Status status = run();
    // What x was is gone: no other try. It was finite, so this is no refusal.
    if (in_place || !absl::IsInvalidArgument(status)) return status;
  }
  std::vector<float> wide(x.size);
  cpu::WidenAll(x, wide.data());
  const absl::Status status =
      FakeQuantize(recipe, grid, wide, absl::MakeSpan(wide), options);
  if (status.ok()) {
    cpu::NarrowAll(wide.data(), options.nonfinite == NonFinitePolicy::kSaturate,
                   y);
  }
  return status;
}

}  // namespace cnn_fp4::quant
