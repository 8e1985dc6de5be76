#include "quant/cpu/amax.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "quant/cpu/parallel.h"
#include "quant/quantize_checks.h"
#include "quant/reference/block_quantizer.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr uint32_t kInfinityBits = 0x7F800000u;

// Neighbouring rows that lie across memory and are gone through together.
constexpr int64_t kRowStrip = 256;

struct MaxState {
  uint32_t bits = 0;
  Scratch scratch;
};

// The amax of blocks after policy and transform, of what is finite then.
float PreparedAmax(const Job& job, int64_t first_block, int64_t count) {
  float amax = 0.0f;
  for (int64_t b = first_block; b < first_block + count; ++b) {
    const auto offsets = reference::Offsets(job.grid, job.grid.block(b));
    reference::Values x(offsets.size());
    for (size_t i = 0; i < offsets.size(); ++i) x[i] = job.x[offsets[i]];
    reference::PrepareBlock(job.recipe, job.options, x);
    for (const float v : x) {
      if (std::isfinite(v)) amax = std::max(amax, std::fabs(v));
    }
  }
  return amax;
}

// Refused: which element, and why.
absl::Status Refuse(const Job& job) {
  const int64_t bad = FirstNonFinite(job.x, job.grid.size());
  if (bad >= 0) return NonFiniteError(bad, job.x[bad]);
  int64_t overflow = job.grid.size();
  for (int64_t b = 0; b < job.grid.num_blocks(); ++b) {
    const auto offsets = reference::Offsets(job.grid, job.grid.block(b));
    reference::Values x(offsets.size());
    for (size_t i = 0; i < offsets.size(); ++i) x[i] = job.x[offsets[i]];
    reference::PrepareBlock(job.recipe, job.options, x);
    const int64_t at = reference::FirstNonFinite(x);
    if (at >= 0) overflow = std::min(overflow, offsets[at]);
  }
  return HadamardOverflowError(job.grid, overflow);
}

// The amax bits of the transformed tensor: groups along contiguous memory or
// across rows of `inner` elements.
uint32_t RotatedAmaxBits(const Job& job) {
  const BlockGrid& grid = job.grid;
  const int64_t inner = grid.inner();
  const int64_t group = kHadamardSize * inner;
  const int64_t groups = grid.size() / group;
  const int64_t per_task = std::max<int64_t>(1, kTaskElements / group);
  // A strip of a group's rows, where those are long.
  const int64_t strip = std::min<int64_t>(inner, 1024);
  uint32_t bits = 0;
  ParallelFor<MaxState>(
      (groups + per_task - 1) / per_task, grid.size() >= kParallelElements,
      [&](int64_t task, MaxState& state) {
        const int64_t end = std::min(groups, (task + 1) * per_task);
        if (inner == 1) {
          const int64_t first = task * per_task;
          state.bits = std::max(
              state.bits, HadamardAmaxBits(job.x + first * group, end - first,
                                           job.options.hadamard_signs));
          return;
        }
        std::vector<float>& y = state.scratch.x;
        y.resize(kHadamardSize * strip);
        for (int64_t g = task * per_task; g < end; ++g) {
          for (int64_t j = 0; j < inner; j += strip) {
            const int64_t width = std::min(strip, inner - j);
            HadamardRows(job.x + g * group + j, inner, width,
                         job.options.hadamard_signs, y.data(), width);
            state.bits =
                std::max(state.bits, AmaxBits(y.data(), kHadamardSize * width));
          }
        }
      },
      [&](const MaxState& state) { bits = std::max(bits, state.bits); });
  return bits;
}

TensorFactors MakeFactors(const Recipe& recipe, float amax) {
  return MakeTensorFactors(recipe.scale_rule, recipe.rounding, recipe.scale_max,
                           recipe.tensor_scale != TensorScale::kNone, amax);
}

// Rows row .. row + count - 1 of one outer position.
struct RowStrip {
  int64_t row = 0;
  int64_t count = 0;
};

// bits[i] = the amax bits of row strip.row + i, transformed if the recipe says
// so.
void RowAmaxBits(const Job& job, const RowStrip& strip, Scratch& scratch,
                 uint32_t* bits) {
  const BlockGrid& grid = job.grid;
  const int64_t inner = grid.inner();
  const float* x =
      job.x + strip.row / inner * grid.cols() * inner + strip.row % inner;
  const int64_t groups = grid.cols() / kHadamardSize;
  const uint16_t signs = job.options.hadamard_signs;
  if (inner == 1) {
    *bits = job.recipe.hadamard ? HadamardAmaxBits(x, groups, signs)
                                : AmaxBits(x, grid.cols());
    return;
  }
  if (!job.recipe.hadamard) {
    ColumnAmaxBits(x, grid.cols(), inner, strip.count, bits);
    return;
  }
  std::vector<float>& y = scratch.x;
  y.resize(kHadamardSize * strip.count);
  std::vector<uint32_t> of_group(strip.count);
  std::fill_n(bits, strip.count, 0);
  for (int64_t g = 0; g < groups; ++g) {
    HadamardRows(x + g * kHadamardSize * inner, inner, strip.count, signs,
                 y.data(), strip.count);
    ColumnAmaxBits(y.data(), kHadamardSize, strip.count, strip.count,
                   of_group.data());
    for (int64_t i = 0; i < strip.count; ++i) {
      bits[i] = std::max(bits[i], of_group[i]);
    }
  }
}

// The amax of one row after policy and transform, of what is finite then.
float PreparedRowAmax(const Job& job, int64_t row) {
  const int64_t inner = job.grid.inner();
  const int64_t blocks = job.grid.block_count_cols();
  float amax = 0.0f;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t block = (row / inner * blocks + b) * inner + row % inner;
    amax = std::max(amax, PreparedAmax(job, block, 1));
  }
  return amax;
}

absl::Status FindRowFactors(Job& job) {
  const BlockGrid& grid = job.grid;
  job.tensors.resize(grid.num_rows());
  if (!job.options.row_amaxes.empty()) {
    for (int64_t row = 0; row < grid.num_rows(); ++row) {
      job.tensors[row] = MakeFactors(job.recipe, job.options.row_amaxes[row]);
    }
  } else if (grid.size() == 0) {  // Rows without elements.
    job.tensors.assign(grid.num_rows(), MakeFactors(job.recipe, 0.0f));
  } else {
    std::atomic<bool> not_finite{false};
    const int64_t strips = (grid.inner() + kRowStrip - 1) / kRowStrip;
    ParallelFor<Scratch>(
        grid.outer() * strips, grid.size() >= kParallelElements,
        [&](int64_t task, Scratch& scratch) {
          const int64_t i = task % strips * kRowStrip;
          const RowStrip strip{task / strips * grid.inner() + i,
                               std::min(kRowStrip, grid.inner() - i)};
          uint32_t bits[kRowStrip];
          RowAmaxBits(job, strip, scratch, bits);
          for (int64_t r = 0; r < strip.count; ++r) {
            const bool finite = bits[r] < kInfinityBits;
            if (!finite) not_finite = true;
            job.tensors[strip.row + r] = MakeFactors(
                job.recipe, finite ? BitCast<float>(bits[r])
                                   : PreparedRowAmax(job, strip.row + r));
          }
        },
        [](const Scratch&) {});
    if (not_finite && job.options.nonfinite == NonFinitePolicy::kRefuse) {
      return Refuse(job);
    }
  }
  // A tensor of one row is as good as one with a tensor scale.
  if (!job.tensors.empty()) job.params.tensor = job.tensors[0];
  return absl::OkStatus();
}

}  // namespace

uint32_t ParallelAmaxBits(const float* x, int64_t n) {
  uint32_t bits = 0;
  ParallelFor<MaxState>(
      (n + kTaskElements - 1) / kTaskElements, n >= kParallelElements,
      [&](int64_t task, MaxState& state) {
        const int64_t first = task * kTaskElements;
        state.bits =
            std::max(state.bits,
                     AmaxBits(x + first, std::min(kTaskElements, n - first)));
      },
      [&](const MaxState& state) { bits = std::max(bits, state.bits); });
  return bits;
}

int64_t FirstNonFinite(const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return i;
  }
  return -1;
}

absl::Status FindTensorFactors(Job& job) {
  if (job.recipe.tensor_scale == TensorScale::kPerRow) {
    return FindRowFactors(job);
  }
  float amax = 0.0f;
  if (job.recipe.tensor_scale == TensorScale::kPerTensor) {
    if (job.options.tensor_amax.has_value()) {
      amax = *job.options.tensor_amax;
    } else if (job.grid.size() > 0) {
      const uint32_t bits = job.recipe.hadamard
                                ? RotatedAmaxBits(job)
                                : ParallelAmaxBits(job.x, job.grid.size());
      amax = BitCast<float>(bits);
      if (bits >= kInfinityBits) {
        if (job.options.nonfinite == NonFinitePolicy::kRefuse) {
          return Refuse(job);
        }
        amax = PreparedAmax(job, 0, job.grid.num_blocks());
      }
    }
  }
  job.tensors = {MakeFactors(job.recipe, amax)};
  job.params.tensor = job.tensors[0];
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::cpu
