// The functions of quant/quantizer.h for TensorViews.
//
// Blocks that follow each other in memory go through FP32 pieces that stay in
// the second-level cache; other layouts through a whole FP32 copy.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/narrow.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/host_device.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

// A piece of FP32 in and one of FP32 out fit the second-level cache, and are
// worth a call of the quantiser.
constexpr int64_t kPiece = 16384;
// For amaxes, which need no call: the first-level cache.
constexpr int64_t kAmaxPiece = 2048;
constexpr int64_t kParallelElements = 65536;

struct PieceState {
  float x[kPiece];
  float y[kPiece];
  uint32_t amax_bits = 0;
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

// Blocks that a piece holds a whole number of, in a recipe whose blocks do not
// know their index.
bool CanGoInPieces(const Recipe& recipe, const BlockGrid& grid,
                   const QuantizeOptions& options) {
  const bool random = recipe.rounding == Rounding::kStochastic8 ||
                      recipe.rounding == Rounding::kStochastic ||
                      recipe.rounding == Rounding::kStochasticUnbiased;
  return grid.rows() == 1 && grid.middle() == 1 && grid.inner() == 1 &&
         grid.cols() % grid.block_cols() == 0 &&
         kPiece % grid.block_cols() == 0 && !random &&
         recipe.tensor_scale != TensorScale::kPerRow &&
         options.block_scales.empty() && !recipe.hadamard;
}

int64_t Pieces(int64_t size) { return size / kPiece + (size % kPiece != 0); }

// The amax, or nothing if an element is not finite.
std::optional<float> AmaxInPieces(const TensorView& x) {
  uint32_t amax_bits = 0;
  cpu::ParallelFor<PieceState>(
      Pieces(x.size), x.size >= kParallelElements,
      [&](int64_t piece, PieceState& state) {
        const int64_t first = piece * kPiece;
        const int64_t n = std::min(kPiece, x.size - first);
        for (int64_t i = 0; i < n; i += kAmaxPiece) {
          const int64_t count = std::min(kAmaxPiece, n - i);
          cpu::Widen(x, first + i, count, state.x);
          const uint32_t bits = cpu::AmaxBits(state.x, count);
          state.amax_bits = std::max(state.amax_bits, bits);
        }
      },
      [&](const PieceState& state) {
        amax_bits = std::max(amax_bits, state.amax_bits);
      });
  if (amax_bits >= 0x7F800000u) return std::nullopt;
  return BitCast<float>(amax_bits);
}

}  // namespace

absl::StatusOr<float> Amax(const TensorView& x) {
  if (x.dtype == DType::kFloat32) return Amax(Float32Of(x));
  const std::optional<float> amax = AmaxInPieces(x);
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
  QuantizeOptions with_amax = options;
  bool in_pieces = CanGoInPieces(recipe, grid, options);
  // Also where no amax is needed but x is overwritten: what is not finite must
  // be known before.
  const bool need_amax = recipe.tensor_scale != TensorScale::kNone &&
                         !options.tensor_amax.has_value();
  if (in_pieces && (need_amax || x.data == y.data)) {
    const std::optional<float> amax = AmaxInPieces(x);
    if (!amax.has_value()) in_pieces = false;
    if (need_amax) with_amax.tensor_amax = amax;
  }
  if (in_pieces) {
    bool failed = false;
    cpu::ParallelFor<PieceState>(
        Pieces(x.size), x.size >= kParallelElements,
        [&](int64_t piece, PieceState& state) {
          const int64_t first = piece * kPiece;
          const int64_t n = std::min(kPiece, x.size - first);
          cpu::Widen(x, first, n, state.x);
          const auto flat = BlockGrid::Along(
              {n / grid.block_cols(), grid.block_cols()}, 1, recipe);
          const absl::Status status =
              FakeQuantize(recipe, *flat, absl::MakeConstSpan(state.x, n),
                           absl::MakeSpan(state.y, n), with_amax);
          state.failed = state.failed || !status.ok();
          cpu::Narrow(state.y, n, y, first);
        },
        [&](const PieceState& state) { failed = failed || state.failed; });
    if (!failed) return absl::OkStatus();
  }
  std::vector<float> wide = Widened(x);
  absl::Status status =
      FakeQuantize(recipe, grid, wide, absl::MakeSpan(wide), options);
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
