// The functions of quant/quantizer.h for TensorViews.
//
// Blocks that follow each other in memory are quantised in registers where a
// kernel can, else through FP32 pieces that stay in the second-level cache;
// other layouts go through a whole FP32 copy.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/narrow.h"
#include "quant/cpu/narrow_kernels.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/float16.h"
#include "quant/quantize_checks.h"
#include "quant/quantizer.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

// A piece of FP32 in and one of FP32 out fit the second-level cache, and are
// worth a call of the quantiser.
constexpr int64_t kPiece = 16384;
constexpr int64_t kParallelElements = 65536;

struct PieceState {
  float x[kPiece];
  float y[kPiece];
  bool failed = false;
};

absl::Span<const float> Float32Of(const TensorView& x) {
  return {static_cast<const float*>(x.data), static_cast<size_t>(x.size)};
}
absl::Span<float> Float32Of(const MutableTensorView& y) {
  return {static_cast<float*>(y.data), static_cast<size_t>(y.size)};
}

std::vector<float> Widened(const TensorView& x) {
  std::vector<float> wide(x.size);
  cpu::WidenAll(x, wide.data());
  return wide;
}

// Blocks that a piece holds a whole number of.
bool CanGoInPieces(const Recipe& recipe, const BlockGrid& grid) {
  return grid.rows() == 1 && grid.middle() == 1 && grid.inner() == 1 &&
         grid.cols() % grid.block_cols() == 0 &&
         kPiece % grid.block_cols() == 0 &&
         recipe.tensor_scale != TensorScale::kPerRow && !recipe.hadamard;
}

// Whether chunks need no FP32 copy.
bool HasNarrowKernel(const Recipe& recipe, const BlockGrid& grid,
                     const QuantizeOptions& options) {
  return !IsStochastic(recipe.rounding) && options.block_scales.empty() &&
         cpu::HasChunkKernel(grid.block_cols()) &&
         !ComparesErrors(recipe.scale_rule);
}

int64_t Pieces(int64_t size) { return size / kPiece + (size % kPiece != 0); }

const uint16_t* BitsOf(const TensorView& x) {
  return static_cast<const uint16_t*>(x.data);
}

// The amax of a narrow tensor, or nothing if an element is not finite.
std::optional<float> NarrowAmax(const TensorView& x) {
  struct State {
    uint16_t bits = 0;
  };
  uint16_t bits = 0;
  cpu::ParallelFor<State>(
      Pieces(x.size), x.size >= kParallelElements,
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

std::optional<float> AmaxIfFinite(const TensorView& x) {
  if (x.dtype != DType::kFloat32) return NarrowAmax(x);
  const absl::StatusOr<float> amax = Amax(Float32Of(x));
  if (!amax.ok()) return std::nullopt;
  return *amax;
}

// Same narrow type in and out, chunk by chunk. False, with y undefined, if an
// element is not finite.
bool FakeQuantizeChunks(const Recipe& recipe, const BlockGrid& grid,
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
      Pieces(x.size), x.size >= kParallelElements,
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
  return !failed;
}

// The same for any two types, in FP32 pieces.
bool FakeQuantizePieces(const Recipe& recipe, const BlockGrid& grid,
                        const TensorView& x, const MutableTensorView& y,
                        const QuantizeOptions& options) {
  bool failed = false;
  cpu::ParallelFor<PieceState>(
      Pieces(x.size), x.size >= kParallelElements,
      [&](int64_t piece, PieceState& state) {
        const int64_t first = piece * kPiece;
        const int64_t n = std::min(kPiece, x.size - first);
        cpu::Widen(x, first, n, state.x);
        const auto flat = BlockGrid::Along(
            {n / grid.block_cols(), grid.block_cols()}, 1, recipe);
        QuantizeOptions of_piece = options;
        of_piece.first_element += first;
        if (!options.block_scales.empty()) {
          of_piece.block_scales = options.block_scales.subspan(
              first / grid.block_cols(), flat->num_blocks());
        }
        const absl::Status status =
            FakeQuantize(recipe, *flat, absl::MakeConstSpan(state.x, n),
                         absl::MakeSpan(state.y, n), of_piece);
        state.failed = state.failed || !status.ok();
        cpu::Narrow(state.y, n, y, first);
      },
      [&](const PieceState& state) { failed = failed || state.failed; });
  return !failed;
}

}  // namespace

absl::StatusOr<float> Amax(const TensorView& x) {
  if (x.dtype == DType::kFloat32) return Amax(Float32Of(x));
  const std::optional<float> amax = NarrowAmax(x);
  if (amax.has_value()) return *amax;
  return Amax(absl::MakeConstSpan(Widened(x)));  // Says which element.
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          const TensorView& x, const MutableTensorView& y,
                          const QuantizeOptions& options) {
  if (x.size != y.size || x.size != grid.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the input has ", x.size, " elements, the output ", y.size,
                     ", the grid ", grid.size()));
  }
  if (x.dtype == DType::kFloat32 && y.dtype == DType::kFloat32) {
    return FakeQuantize(recipe, grid, Float32Of(x), Float32Of(y), options);
  }
  if (x.data == y.data && x.dtype != y.dtype) {
    return absl::InvalidArgumentError(
        "in place needs the same type for input and output");
  }
  absl::Status status = CheckQuantizeArguments(recipe, grid, x.size, options);
  if (!status.ok()) return status;
  QuantizeOptions with_amax = options;
  bool in_pieces = CanGoInPieces(recipe, grid);
  // Also where no amax is needed but x is overwritten: what is not finite must
  // be known before.
  const bool need_amax = recipe.tensor_scale != TensorScale::kNone &&
                         !options.tensor_amax.has_value();
  if (in_pieces && (need_amax || x.data == y.data)) {
    const std::optional<float> amax = AmaxIfFinite(x);
    if (!amax.has_value()) in_pieces = false;
    if (need_amax) with_amax.tensor_amax = amax;
  }
  if (in_pieces) {
    const bool done =
        x.dtype == y.dtype && HasNarrowKernel(recipe, grid, options)
            ? FakeQuantizeChunks(recipe, grid, x, y,
                                 with_amax.tensor_amax.value_or(0.0f))
            : FakeQuantizePieces(recipe, grid, x, y, with_amax);
    if (done) return absl::OkStatus();
  }
  std::vector<float> wide = Widened(x);
  status = FakeQuantize(recipe, grid, wide, absl::MakeSpan(wide), options);
  if (status.ok()) cpu::NarrowAll(wide.data(), y);
  return status;
}

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      const TensorView& x,
                                      const QuantizeOptions& options) {
  if (x.dtype == DType::kFloat32) {
    return Quantize(recipe, grid, Float32Of(x), options);
  }
  return Quantize(recipe, grid, Widened(x), options);
}

absl::Status Dequantize(const PackedTensor& packed,
                        const MutableTensorView& y) {
  if (y.dtype == DType::kFloat32) return Dequantize(packed, Float32Of(y));
  std::vector<float> wide(y.size);
  absl::Status status = Dequantize(packed, absl::MakeSpan(wide));
  if (status.ok()) cpu::NarrowAll(wide.data(), y);
  return status;
}

}  // namespace cnn_fp4::quant
