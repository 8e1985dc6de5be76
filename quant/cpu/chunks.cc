// Path::kChunks of quant/cpu/job.h: 1-D blocks of 16, 32, ..., 256 elements
// along memory.

#include <algorithm>
#include <limits>

#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kScratchChunks = 8;

bool NeedsScratch(const Job& job) {
  return job.recipe.hadamard || IsStochastic(job.recipe.rounding) ||
         job.x == nullptr;
}

}  // namespace

const float* Rotated(const Job& job, const float* x, size_t n,
                     Scratch& scratch) {
  if (!job.recipe.hadamard) return x;
  float* y = Grown(scratch.x, n);
  HadamardGroups(x, n / kHadamardSize, job.options.hadamard_signs, y);
  return y;
}

bool HasFullChunks(const Job& job) {
  return job.plan.path == Path::kChunks && IsSeamless(job.grid);
}

void QuantizeInChunks(const Job& job, int64_t first, int64_t count,
                      Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t per_chunk = static_cast<int64_t>(kChunk) / grid.block_cols();
  KernelParams params = job.params;
  // A row's factors differ from the tensor's.
  if (job.tensors.size() > 1) params.tensor = job.tensor_of(grid.block(first));
  const bool by_error = ComparesErrors(params.rule) && !job.has_given_scales();
  const int64_t end = first + count;
  // The last block of a row may be a short one.
  int64_t full = count - (grid.block(end - 1).cols < grid.block_cols());
  int64_t offset = grid.block(first).offset;
  // What is put by for a piece, wide elements, the transform and random bits,
  // shall stay in the first-level cache.
  const int64_t most =
      NeedsScratch(job) ? kScratchChunks : std::numeric_limits<int64_t>::max();
  while (full >= per_chunk) {
    const size_t chunks = std::min(full / per_chunk, most);
    const int64_t n = chunks * kChunk;
    const float* x =
        Rotated(job, SourceAt(job, offset, n, scratch), n, scratch);
    params.given_scales = job.given_scales(first);
    const RandomBits random = FillRandom(job, offset, n, scratch);
    const KernelOutput out = OutputAt(job, first, offset);
    const size_t done =
        by_error ? QuantizeChunksByError(params, x, chunks, random, out)
                 : QuantizeChunks(params, grid.block_cols() / kUnit, x, chunks,
                                  random, out);
    int64_t blocks = static_cast<int64_t>(done) * per_chunk;
    if (done < chunks) {
      QuantizeSlowly(job, first + blocks, per_chunk, scratch);
      blocks += per_chunk;
    }
    first += blocks;
    full -= blocks;
    offset += blocks * grid.block_cols();
  }
  if (first == end) return;
  if (by_error) return QuantizeInPanels(job, first, end - first, scratch);
  QuantizeBand(job, LineBandOf(grid, first, end - first), scratch);
}

}  // namespace cnn_fp4::quant::cpu
