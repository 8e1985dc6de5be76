// Blocks along contiguous memory that no chunk holds: quant/cpu/job.h. Their
// amaxes first, then their elements, piece by piece.

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/cpu/amax.h"
#include "quant/cpu/job.h"
#include "quant/cpu/parallel.h"
#include "quant/cpu/prepared_block.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Elements under factors that are spread to them; whole Hadamard groups.
constexpr int64_t kPiece = 1024;

// A block when its scale is known.
struct LongBlock {
  BlockGrid::Block where;
  float factor = 0.0f;
  float value_factor = 0.0f;
  // Nothing to write: it is refused.
  bool refused = false;
  // All NaN: kPropagate met a value that is not finite.
  bool nan = false;
  // kSaturate replaces something in it.
  bool admit = false;
};

LongBlock FindLongFactors(const Job& job, int64_t index, const FiniteAmax& amax,
                          Scratch& scratch) {
  LongBlock block;
  block.where = job.grid.block(index);
  if (amax.nonfinite) {
    switch (job.options.nonfinite) {
      case NonFinitePolicy::kRefuse:
        QuantizeSlowly(job, index, 1, scratch);  // Says which element.
        block.refused = true;
        return block;
      case NonFinitePolicy::kPropagate: {
        const BlockFactors factors = NanFactors(job);
        if (job.output.scale_codes != nullptr) {
          job.output.scale_codes[index] = factors.code;
        }
        if (job.output.stored_scales != nullptr) {
          job.output.stored_scales[index] = factors.stored;
        }
        block.nan = true;
        return block;
      }
      case NonFinitePolicy::kSaturate:
        block.admit = true;
        break;
    }
  }
  FindFactors(job, index, &amax.bits, 1, scratch);
  block.factor = scratch.factors[0];
  block.value_factor = scratch.value_factors[0];
  return block;
}

// What is quantised of n elements at x: themselves, or a copy that is admitted
// and transformed. One by one only where something is not finite.
const float* Prepared(const Job& job, const LongBlock& block, const float* x,
                      int64_t n, float* copy) {
  constexpr uint32_t kInfinityBits = 0x7F800000u;
  if (!job.recipe.hadamard) {
    if (!block.admit || AmaxBits(x, n) < kInfinityBits) return x;
    for (int64_t i = 0; i < n; ++i) copy[i] = Admitted(job, x[i]);
    return copy;
  }
  HadamardGroups(x, n / kHadamardSize, job.options.hadamard_signs, copy);
  if (block.admit && AmaxBits(copy, n) >= kInfinityBits) {
    for (int64_t i = 0; i < n; i += kHadamardSize) {
      TransformGroup(job, x + i, 1, copy + i);
    }
  }
  return copy;
}

// Elements begin .. end - 1 of a block; begin is a multiple of kPiece.
void RunElements(const Job& job, const LongBlock& block, int64_t begin,
                 int64_t end, Scratch& scratch) {
  if (block.refused) return;
  scratch.factors.assign(kPiece, block.factor);
  scratch.value_factors.assign(kPiece, block.value_factor);
  const KernelOutput& out = job.output;
  for (int64_t i = begin; i < end; i += kPiece) {
    const int64_t n = std::min(kPiece, end - i);
    const int64_t at = block.where.offset + i;
    float copy[kPiece];
    uint8_t to_be_packed[kPiece];
    float* values = out.values == nullptr ? nullptr : out.values + at;
    uint8_t* codes = out.codes == nullptr ? nullptr : out.codes + at;
    if (out.packed != nullptr) codes = to_be_packed;
    if (block.nan) {
      if (values != nullptr) {
        std::fill_n(values, n, std::numeric_limits<float>::quiet_NaN());
      }
      if (codes != nullptr) memset(codes, 0, n);
    } else {
      QuantizeElements(job.params, Prepared(job, block, job.x + at, n, copy), n,
                       scratch.factors.data(), scratch.value_factors.data(),
                       FillRandom(job, at, n, scratch), values, codes);
    }
    if (out.packed != nullptr) PackCodes(codes, n, out.packed + at / 2);
  }
}

}  // namespace

void RunLongBlock(const Job& job, int64_t index, Scratch& scratch) {
  const BlockGrid::Block where = job.grid.block(index);
  const LongBlock block = FindLongFactors(
      job, index, FindAmax(job, job.x + where.offset, where.cols), scratch);
  RunElements(job, block, 0, where.cols, scratch);
}

void RunHugeBlocks(const Job& job, Refusals& refusals) {
  const BlockGrid& grid = job.grid;
  const int64_t blocks = grid.num_blocks();
  const int64_t pieces = CeilDiv(grid.block_cols(), kTaskElements);
  // Calls body(block, begin, end) for a task's elements, if there are any.
  const auto of_task = [&](int64_t task, const auto& body) {
    const int64_t begin = task % pieces * kTaskElements;
    const int64_t cols = grid.block(task / pieces).cols;
    if (begin >= cols) return;
    body(task / pieces, begin, std::min(cols, begin + kTaskElements));
  };
  const bool parallel = WorthThreads(grid.size());
  std::vector<FiniteAmax> amaxes(blocks * pieces);
  ParallelFor<Scratch>(
      blocks * pieces, parallel,
      [&](int64_t task, Scratch&) {
        of_task(task, [&](int64_t b, int64_t begin, int64_t end) {
          amaxes[task] =
              FindAmax(job, job.x + grid.block(b).offset + begin, end - begin);
        });
      },
      [](const Scratch&) {});
  std::vector<LongBlock> of_block(blocks);
  Scratch own;
  for (int64_t b = 0; b < blocks; ++b) {
    FiniteAmax amax;
    for (int64_t p = 0; p < pieces; ++p) amax.Merge(amaxes[b * pieces + p]);
    of_block[b] = FindLongFactors(job, b, amax, own);
  }
  refusals.Merge(own.refusals);
  ParallelFor<Scratch>(
      blocks * pieces, parallel,
      [&](int64_t task, Scratch& scratch) {
        of_task(task, [&](int64_t b, int64_t begin, int64_t end) {
          RunElements(job, of_block[b], begin, end, scratch);
        });
      },
      [](const Scratch&) {});
}

}  // namespace cnn_fp4::quant::cpu
