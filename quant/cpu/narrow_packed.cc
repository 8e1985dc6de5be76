#include "quant/cpu/narrow_packed.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quant/cpu/amax.h"
#include "quant/cpu/bands.h"
#include "quant/cpu/job.h"
#include "quant/cpu/narrow.h"
#include "quant/cpu/parallel.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Elements: whole blocks of any size that has a kernel, 16 KiB of FP32.
constexpr int64_t kPiece = 4096;
static_assert(kTaskElements % kPiece == 0, "tasks are whole pieces");

struct State {
  std::vector<float> x;
  Scratch scratch;
  Refusals refusals;
};

// The grid of `n` elements that are whole blocks of `grid`.
BlockGrid GridOfPiece(const BlockGrid& grid, int64_t n) {
  Recipe blocks;
  blocks.block_rows = 1;
  blocks.block_cols = grid.block_cols();
  return *BlockGrid::Flat(n, blocks);
}

// Refusals of a piece that begins at element `first`, in the tensor's terms.
Refusals Moved(Refusals refusals, int64_t first) {
  if (refusals.element != Refusals::kNone) refusals.element += first;
  if (refusals.rotated != Refusals::kNone) refusals.rotated += first;
  return refusals;
}

}  // namespace

bool CanPackNarrow(const Recipe& recipe, const BlockGrid& grid,
                   const QuantizeOptions& options) {
  const Job job = MakeJob(recipe, grid, {}, options);
  return grid.size() > 0 && HasFullChunks(job) &&
         recipe.tensor_scale != TensorScale::kPerRow &&
         !ComparesErrors(recipe.scale_rule);
}

absl::Status PackNarrow(const Recipe& recipe, const BlockGrid& grid,
                        const TensorView& x, const QuantizeOptions& options,
                        PackedTensor* out) {
  Job job = MakeJob(recipe, grid, {}, options);
  absl::Status status = FindTensorFactors(job);
  if (!status.ok()) return status;
  PreparePacked(job, out);
  out->tensor_scales = {job.params.tensor.decode};
  job.output.packed = out->codes.data();

  const BlockGrid whole = GridOfPiece(grid, std::min(kPiece, x.size));
  const BlockGrid last = GridOfPiece(grid, (x.size - 1) % kPiece + 1);
  Refusals refusals;
  ParallelFor<State>(
      CeilDiv(x.size, kTaskElements), WorthThreads(x.size),
      [&](int64_t task, State& state) {
        const int64_t end = std::min(x.size, (task + 1) * kTaskElements);
        for (int64_t first = task * kTaskElements; first < end;
             first += kPiece) {
          const int64_t n = std::min(kPiece, x.size - first);
          const int64_t block = first / grid.block_cols();
          Widen(x, first, n, Grown(state.x, kPiece));
          QuantizeOptions of_piece = options;
          of_piece.first_element += first;
          if (job.has_given_scales()) {
            of_piece.block_scales = options.block_scales.subspan(block);
          }
          Job piece{recipe,      n == kPiece ? whole : last,
                    of_piece,    state.x.data(),
                    job.tensors, job.params,
                    job.key,     OutputAt(job, block, first)};
          QuantizeInChunks(piece, 0, n / grid.block_cols(), state.scratch);
          state.refusals.Merge(Moved(state.scratch.refusals, first));
          state.scratch.refusals = Refusals();
        }
      },
      [&](const State& state) { refusals.Merge(state.refusals); });
  return RefusedStatus(refusals, grid);
}

}  // namespace cnn_fp4::quant::cpu
