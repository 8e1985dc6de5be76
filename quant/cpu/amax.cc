#include "quant/cpu/amax.h"

#include <algorithm>
#include <cmath>

#include "quant/cpu/bands.h"
#include "quant/cpu/parallel.h"
#include "quant/cpu/prepared_block.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr uint32_t kInfinityBits = 0x7F800000u;
constexpr int64_t kGroup = kHadamardSize;

// Where something is not finite, as few elements as this are looked at one by
// one.
constexpr int64_t kSmallPiece = 256;

// Neighbouring columns that are gone through together.
constexpr int64_t kColumnsInPiece = 256;

struct FiniteState {
  FiniteAmax amax;
  std::vector<float> y;  // Transformed rows.
};

void Add(float x, FiniteAmax& amax) {
  const uint32_t bits = BitCast<uint32_t>(x) & 0x7FFFFFFFu;
  if (bits < kInfinityBits) {
    amax.bits = std::max(amax.bits, bits);
  } else {
    amax.nonfinite = true;
  }
}

// One by one. `admitted`: something was replaced.
FiniteAmax AmaxOneByOne(const Job& job, const float* x, int64_t n,
                        int64_t stride) {
  FiniteAmax amax;
  amax.nonfinite = true;
  if (!job.recipe.hadamard) {
    for (int64_t i = 0; i < n; ++i) Add(Admitted(job, x[i * stride]), amax);
    return amax;
  }
  for (int64_t i = 0; i < n; i += kGroup) {
    float group[kGroup];
    TransformGroup(job, x + i * stride, stride, group);
    for (const float v : group) Add(v, amax);
  }
  return amax;
}

// Of columns `inner` apart, one after the other in memory: amaxes[i] that of
// x[i], x[i + inner], ...: `rows` of them.
void ColumnAmaxes(const Job& job, const float* x, int64_t rows, int64_t inner,
                  int64_t width, std::vector<float>& y, FiniteAmax* amaxes) {
  uint32_t bits[kColumnsInPiece];
  if (job.recipe.hadamard) {
    std::fill_n(amaxes, width, FiniteAmax());
    y.resize(kGroup * width);
    for (int64_t r = 0; r < rows; r += kGroup) {
      HadamardRows(x + r * inner, inner, width, job.options.hadamard_signs,
                   y.data(), width);
      ColumnAmaxBits(y.data(), kGroup, width, width, bits);
      for (int64_t i = 0; i < width; ++i) {
        amaxes[i].Merge({bits[i], bits[i] >= kInfinityBits});
      }
    }
  } else {
    ColumnAmaxBits(x, rows, inner, width, bits);
    for (int64_t i = 0; i < width; ++i) {
      amaxes[i] = {bits[i], bits[i] >= kInfinityBits};
    }
  }
  for (int64_t i = 0; i < width; ++i) {
    if (amaxes[i].nonfinite) amaxes[i] = AmaxOneByOne(job, x + i, rows, inner);
  }
}

// Of a band of columns.
FiniteAmax AmaxOfColumns(const Job& job, const Band& band,
                         std::vector<float>& y) {
  FiniteAmax amax;
  for (int64_t i = 0; i < band.width; i += kColumnsInPiece) {
    const int64_t width = std::min(kColumnsInPiece, band.width - i);
    FiniteAmax amaxes[kColumnsInPiece];
    ColumnAmaxes(job, job.x + band.offset + i, band.lines, job.grid.inner(),
                 width, y, amaxes);
    for (int64_t j = 0; j < width; ++j) amax.Merge(amaxes[j]);
  }
  return amax;
}

// Of the transformed tensor whose blocks lie across memory.
FiniteAmax TransformedAmax(const Job& job) {
  const int64_t n = job.grid.size();
  const int64_t bands = ColumnBands(job.grid, kColumnsAtOnce);
  const int64_t per_task =
      std::max<int64_t>(1, kTaskElements / CeilDiv(n, bands));
  FiniteAmax amax;
  ParallelFor<FiniteState>(
      CeilDiv(bands, per_task), WorthThreads(n),
      [&](int64_t task, FiniteState& state) {
        const int64_t end = std::min(bands, (task + 1) * per_task);
        for (int64_t b = task * per_task; b < end; ++b) {
          state.amax.Merge(AmaxOfColumns(
              job, ColumnBandAt(job.grid, kColumnsAtOnce, b), state.y));
        }
      },
      [&](const FiniteState& state) { amax.Merge(state.amax); });
  return amax;
}

// Of the tensor, transformed if the recipe says so.
FiniteAmax TensorAmax(const Job& job) {
  if (job.recipe.hadamard && job.grid.inner() > 1) return TransformedAmax(job);
  const int64_t n = job.grid.size();
  FiniteAmax amax;
  ParallelFor<FiniteState>(
      CeilDiv(n, kTaskElements), WorthThreads(n),
      [&](int64_t task, FiniteState& state) {
        const int64_t first = task * kTaskElements;
        state.amax.Merge(
            FindAmax(job, job.x + first, std::min(kTaskElements, n - first)));
      },
      [&](const FiniteState& state) { amax.Merge(state.amax); });
  return amax;
}

// Index of the first NaN or infinity, or -1.
int64_t FirstNonFinite(const float* x, int64_t n) {
  for (int64_t first = 0; first < n; first += kTaskElements) {
    const int64_t end = std::min(n, first + kTaskElements);
    if (AmaxBits(x + first, end - first) < kInfinityBits) continue;
    for (int64_t i = first; i < end; ++i) {
      if (!std::isfinite(x[i])) return i;
    }
  }
  return -1;
}

// Refused: which element, and why.
absl::Status Refuse(const Job& job) {
  const int64_t bad = FirstNonFinite(job.x, job.grid.size());
  if (bad >= 0) return NonFiniteError(bad, job.x[bad]);
  int64_t overflow = job.grid.size();
  for (int64_t b = 0; b < job.grid.num_blocks(); ++b) {
    const PreparedBlock block(job, job.grid.block(b));
    for (int64_t i = 0; i < block.size(); ++i) {
      if (std::isfinite(block.x(i))) continue;
      overflow = std::min(overflow, block.offset(i));
      break;
    }
  }
  return HadamardOverflowError(job.grid, overflow);
}

TensorFactors MakeFactors(const Job& job, float amax) {
  const Recipe& recipe = job.recipe;
  return MakeTensorFactors(recipe.scale_rule, recipe.rounding, recipe.scale_max,
                           recipe.tensor_scale != TensorScale::kNone, amax,
                           job.options.nonfinite == NonFinitePolicy::kSaturate);
}

// Whether the tensor's amax has to be found.
bool NeedsAmax(const Job& job) {
  return job.recipe.tensor_scale == TensorScale::kPerTensor &&
         !job.options.tensor_amax.has_value() && job.grid.size() > 0;
}

// What follows from the tensor's amax, or 0 where the recipe needs none.
absl::Status SetTensorFactors(Job& job, const FiniteAmax& amax) {
  if (amax.nonfinite && job.options.nonfinite == NonFinitePolicy::kRefuse) {
    return Refuse(job);
  }
  job.tensors = {MakeFactors(job, BitCast<float>(amax.bits))};
  job.params.tensor = job.tensors[0];
  return absl::OkStatus();
}

absl::Status FindRowFactors(Job& job) {
  const BlockGrid& grid = job.grid;
  const int64_t inner = grid.inner();
  job.tensors.resize(grid.num_rows());
  if (!job.options.row_amaxes.empty()) {
    for (int64_t row = 0; row < grid.num_rows(); ++row) {
      job.tensors[row] = MakeFactors(job, job.options.row_amaxes[row]);
    }
  } else if (grid.size() == 0) {  // Rows without elements.
    job.tensors.assign(grid.num_rows(), MakeFactors(job, 0.0f));
  } else {
    FiniteAmax all;
    const int64_t pieces = CeilDiv(inner, kColumnsInPiece);
    ParallelFor<FiniteState>(
        grid.outer() * pieces, WorthThreads(grid.size()),
        [&](int64_t task, FiniteState& state) {
          const int64_t o = task / pieces;
          const int64_t i = task % pieces * kColumnsInPiece;
          const float* x = job.x + o * grid.cols() * inner + i;
          const int64_t width = std::min(kColumnsInPiece, inner - i);
          FiniteAmax amaxes[kColumnsInPiece];
          if (inner == 1) {
            amaxes[0] = FindAmax(job, x, grid.cols());
          } else {
            ColumnAmaxes(job, x, grid.cols(), inner, width, state.y, amaxes);
          }
          for (int64_t j = 0; j < width; ++j) {
            state.amax.Merge(amaxes[j]);
            job.tensors[o * inner + i + j] =
                MakeFactors(job, BitCast<float>(amaxes[j].bits));
          }
        },
        [&](const FiniteState& state) { all.Merge(state.amax); });
    if (all.nonfinite && job.options.nonfinite == NonFinitePolicy::kRefuse) {
      return Refuse(job);
    }
  }
  // A tensor of one row is as good as one with a tensor scale.
  if (!job.tensors.empty()) job.params.tensor = job.tensors[0];
  return absl::OkStatus();
}

}  // namespace

FiniteAmax FindAmax(const Job& job, const float* x, int64_t n) {
  const auto find = [&job](const float* from, int64_t count) {
    return job.recipe.hadamard ? HadamardAmaxBits(from, count / kGroup,
                                                  job.options.hadamard_signs)
                               : AmaxBits(from, count);
  };
  FiniteAmax amax;
  amax.bits = find(x, n);
  if (amax.bits < kInfinityBits) return amax;
  amax.bits = 0;
  for (int64_t i = 0; i < n; i += kSmallPiece) {
    const int64_t count = std::min(kSmallPiece, n - i);
    const uint32_t bits = find(x + i, count);
    amax.Merge(bits < kInfinityBits ? FiniteAmax{bits, false}
                                    : AmaxOneByOne(job, x + i, count, 1));
  }
  return amax;
}

absl::Status FindTensorFactors(Job& job) {
  if (job.recipe.tensor_scale == TensorScale::kPerRow) {
    return FindRowFactors(job);
  }
  FiniteAmax amax;
  if (NeedsAmax(job)) {
    amax = TensorAmax(job);
  } else if (job.options.tensor_amax.has_value() &&
             job.recipe.tensor_scale == TensorScale::kPerTensor) {
    amax.bits = BitCast<uint32_t>(*job.options.tensor_amax);
  }
  return SetTensorFactors(job, amax);
}

absl::Status FindTensorFactorsOfBoth(Job& rows, Job& columns) {
  const bool same = NeedsAmax(rows) && NeedsAmax(columns) &&
                    !rows.recipe.hadamard && !columns.recipe.hadamard &&
                    rows.options.nonfinite == columns.options.nonfinite;
  absl::Status status;
  if (same) {
    const FiniteAmax amax = TensorAmax(rows);
    status = SetTensorFactors(rows, amax);
    if (status.ok()) status = SetTensorFactors(columns, amax);
  } else {
    status = FindTensorFactors(rows);
    if (status.ok()) status = FindTensorFactors(columns);
  }
  return status;
}

}  // namespace cnn_fp4::quant::cpu
