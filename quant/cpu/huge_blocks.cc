// Path::kHugeBlocks of quant/cpu/job.h: blocks along memory that are each worth
// several threads. Their amaxes first, then their elements, piece by piece.

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/cpu/amax.h"
#include "quant/cpu/bands.h"
#include "quant/cpu/job.h"
#include "quant/cpu/parallel.h"
#include "quant/cpu/prepared_block.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Elements under factors that are spread to them; whole Hadamard groups.
constexpr int64_t kPiece = kBandElements;

// A block when its scale is known.
struct HugeBlock {
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

HugeBlock FindHugeFactors(const Job& job, int64_t index, const FiniteAmax& amax,
                          Scratch& scratch) {
  HugeBlock block;
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
const float* Prepared(const Job& job, const HugeBlock& block, const float* x,
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

// What n elements of a block that is NaN become.
void StoreNan(const KernelOutput& out, int64_t n) {
  if (out.values != nullptr) {
    std::fill_n(out.values, n, std::numeric_limits<float>::quiet_NaN());
  }
  if (out.codes != nullptr) memset(out.codes, 0, n);
  if (out.packed != nullptr) memset(out.packed, 0, n / 2);
}

// Elements begin .. end - 1 of a block; begin is a multiple of kPiece.
void RunElements(const Job& job, const HugeBlock& block, int64_t begin,
                 int64_t end, Scratch& scratch) {
  if (block.refused) return;
  scratch.line_factors.assign(kPiece, block.factor);
  scratch.line_value_factors.assign(kPiece, block.value_factor);
  for (int64_t i = begin; i < end; i += kPiece) {
    const int64_t n = std::min(kPiece, end - i);
    const int64_t at = block.where.offset + i;
    if (block.nan) {
      StoreNan(OutputAt(job, 0, at), n);
      continue;
    }
    float copy[kPiece];
    QuantizeLine(job, at, Prepared(job, block, job.x + at, n, copy), n,
                 scratch.line_factors.data(), scratch.line_value_factors.data(),
                 scratch);
  }
}

}  // namespace

void QuantizeHugeBlocks(const Job& job, Refusals& refusals) {
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
  std::vector<HugeBlock> of_block(blocks);
  Scratch own;
  for (int64_t b = 0; b < blocks; ++b) {
    FiniteAmax amax;
    for (int64_t p = 0; p < pieces; ++p) amax.Merge(amaxes[b * pieces + p]);
    of_block[b] = FindHugeFactors(job, b, amax, own);
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
