// 1-D blocks along contiguous memory: quant/cpu/job.h.

#include <algorithm>
#include <cstring>
#include <limits>

#include "quant/cpu/job.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Whether a chunk holds a block.
bool FitsChunk(const BlockGrid& grid) {
  return grid.block_cols() <= static_cast<int64_t>(kChunk);
}

// Elements that a block takes in a chunk, the rest of them zeros: what
// QuantizeChunks has a kernel for.
int64_t Slot(const BlockGrid& grid) {
  int64_t slot = kUnit;
  while (slot < grid.block_cols()) slot *= 2;
  return slot;
}

int64_t BlocksPerChunk(const BlockGrid& grid) {
  return static_cast<int64_t>(kChunk) / Slot(grid);
}

// A row's factors differ from the tensor's.
KernelParams ParamsOf(const Job& job, int64_t block) {
  KernelParams params = job.params;
  params.given_scales = job.given_scales(block);
  if (job.tensors.size() > 1) {
    params.tensor = job.tensor_of(job.grid.block(block));
  }
  return params;
}

// Up to a chunk of blocks [first, first + count), some of them shorter than
// their slot: copied to a chunk filled up with zeros and back.
void RunGathered(const Job& job, int64_t first, int64_t count,
                 Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t slot = Slot(grid);
  float x[kChunk] = {};
  uint8_t bytes[kChunk] = {};
  uint32_t words[kChunk] = {};
  float values[kChunk];
  uint8_t codes[kChunk];
  uint8_t scale_codes[kUnits];
  float stored[kUnits];
  const BlockGrid::Block begin = grid.block(first);
  const BlockGrid::Block last = grid.block(first + count - 1);
  const int64_t end = last.offset + last.cols;
  const RandomBits random =
      FillRandom(job, begin.offset, end - begin.offset, scratch);
  int64_t cols[kUnits];
  int64_t at = begin.offset;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t column = at % grid.cols();
    cols[i] = std::min(grid.block_cols(), grid.cols() - column);
    const int64_t from = at - begin.offset;
    memcpy(x + i * slot, job.x + at, cols[i] * sizeof(float));
    if (random.bytes != nullptr) {
      memcpy(bytes + i * slot, random.bytes + from, cols[i]);
    }
    if (random.words != nullptr) {
      memcpy(words + i * slot, random.words + from, cols[i] * sizeof(uint32_t));
    }
    at += cols[i];
  }
  if (job.recipe.hadamard) {
    HadamardGroups(x, kUnits, job.options.hadamard_signs, x);
  }
  const bool want_codes =
      job.output.codes != nullptr || job.output.packed != nullptr;
  KernelOutput local;
  local.values = want_codes ? nullptr : values;
  local.codes = want_codes ? codes : nullptr;
  local.scale_codes = scale_codes;
  local.stored_scales = stored;
  KernelParams params = ParamsOf(job, first);
  float given[kUnits] = {};
  if (params.given_scales != nullptr) {
    memcpy(given, params.given_scales, count * sizeof(given[0]));
    params.given_scales = given;
  }
  if (QuantizeChunks(params, slot / kUnit, x, 1, {bytes, words}, local) == 0) {
    QuantizeSlowly(job, first, count, scratch);
    return;
  }
  const KernelOutput out = OutputAt(job, first, begin.offset);
  if (out.scale_codes != nullptr) memcpy(out.scale_codes, scale_codes, count);
  if (out.stored_scales != nullptr) {
    memcpy(out.stored_scales, stored, count * sizeof(float));
  }
  int64_t to = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (out.values != nullptr) {
      memcpy(out.values + to, values + i * slot, cols[i] * sizeof(float));
    }
    if (out.codes != nullptr) {
      memcpy(out.codes + to, codes + i * slot, cols[i]);
    }
    if (out.packed != nullptr) memmove(codes + to, codes + i * slot, cols[i]);
    to += cols[i];
  }
  // Direct packing: whole bytes.
  if (out.packed != nullptr) PackCodes(codes, to, out.packed);
}

constexpr int64_t kScratchChunks = 8;

bool NeedsScratch(const Job& job) {
  return job.recipe.hadamard || IsStochastic(job.recipe.rounding);
}

// Blocks in a task: whole chunks where rows allow it.
int64_t BlocksPerTask(const Job& job) {
  const BlockGrid& grid = job.grid;
  const int64_t blocks =
      std::max<int64_t>(1, kTaskElements / grid.block_cols());
  if (!FitsChunk(grid)) return blocks;
  return std::max<int64_t>(blocks, BlocksPerChunk(grid));
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

// Whole chunks, then the rest.
void RunFullChunks(const Job& job, int64_t first, int64_t count,
                   Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t per_chunk = BlocksPerChunk(grid);
  KernelParams params = ParamsOf(job, first);
  int64_t offset = grid.block(first).offset;
  // What is put by for a piece, the transform and random bits, shall stay in
  // the first-level cache.
  const int64_t most =
      NeedsScratch(job) ? kScratchChunks : std::numeric_limits<int64_t>::max();
  while (count >= per_chunk) {
    const size_t chunks = std::min(count / per_chunk, most);
    const float* x = Rotated(job, job.x + offset, chunks * kChunk, scratch);
    params.given_scales = job.given_scales(first);
    const size_t done =
        QuantizeChunks(params, grid.block_cols() / kUnit, x, chunks,
                       FillRandom(job, offset, chunks * kChunk, scratch),
                       OutputAt(job, first, offset));
    int64_t blocks = static_cast<int64_t>(done) * per_chunk;
    if (done < chunks) {
      QuantizeSlowly(job, first + blocks, per_chunk, scratch);
      blocks += per_chunk;
    }
    first += blocks;
    count -= blocks;
    offset += blocks * grid.block_cols();
  }
  if (count > 0) RunGathered(job, first, count, scratch);
}

int64_t ContiguousTasks(const Job& job) {
  const int64_t per_task = BlocksPerTask(job);
  if (job.plan.row_by_row) {
    const int64_t row = job.grid.block_count_cols();
    return job.grid.outer() * CeilDiv(row, per_task);
  }
  return CeilDiv(job.grid.num_blocks(), per_task);
}

void RunContiguousTask(const Job& job, int64_t task, Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t per_task = BlocksPerTask(job);
  int64_t first = task * per_task;
  int64_t end = grid.num_blocks();
  if (job.plan.row_by_row) {
    const int64_t row_blocks = grid.block_count_cols();
    const int64_t tasks_in_row = CeilDiv(row_blocks, per_task);
    const int64_t row = task / tasks_in_row;
    first = row * row_blocks + task % tasks_in_row * per_task;
    end = (row + 1) * row_blocks;
  }
  const int64_t count = std::min(per_task, end - first);
  if (job.plan.path == Path::kLongBlocks) {
    for (int64_t b = first; b < first + count; ++b) {
      RunLongBlock(job, b, scratch);
    }
    return;
  }
  if (HasFullChunks(job)) {
    return RunFullChunks(job, first, count, scratch);
  }
  if (job.plan.path == Path::kChunks) {
    const bool short_end = first + count == end;
    RunFullChunks(job, first, count - short_end, scratch);
    if (short_end) RunGathered(job, end - 1, 1, scratch);
    return;
  }
  const int64_t per_chunk = BlocksPerChunk(grid);
  for (int64_t b = first; b < first + count; b += per_chunk) {
    RunGathered(job, b, std::min(per_chunk, first + count - b), scratch);
  }
}

}  // namespace cnn_fp4::quant::cpu
