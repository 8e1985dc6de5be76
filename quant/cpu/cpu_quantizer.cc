#include "quant/cpu/cpu_quantizer.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/amax.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/job.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/parallel.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Rules that try several scales: not under given ones, and one by one where
// each row has its own tensor scale.
bool TriesScales(const Job& job) {
  return ComparesErrors(job.recipe.scale_rule) && !job.has_given_scales();
}

bool HasKernels(const Job& job) {
  return !TriesScales(job) || job.tensors.size() == 1;
}

absl::Status RunJob(const Job& job) {
  const BlockGrid& grid = job.grid;
  if (grid.size() == 0) return absl::OkStatus();  // No layout to cut up.
  Refusals refusals;
  const auto merge = [&](const Scratch& s) { refusals.Merge(s.refusals); };
  const bool parallel = WorthThreads(grid.size());
  if (!HasKernels(job)) {
    const int64_t size = grid.block_rows() * grid.block_cols();
    const int64_t per_task = std::max<int64_t>(1, kTaskElements / size);
    const int64_t blocks = grid.num_blocks();
    ParallelFor<Scratch>(
        CeilDiv(blocks, per_task), parallel,
        [&](int64_t task, Scratch& scratch) {
          const int64_t first = task * per_task;
          QuantizeSlowly(job, first, std::min(per_task, blocks - first),
                         scratch);
        },
        merge);
  } else if (TriesScales(job)) {
    const int64_t blocks = grid.num_blocks();
    const int64_t size = grid.block_rows() * grid.block_cols();
    const int64_t unit = kUnit;
    const int64_t per_task =
        std::max<int64_t>(1, kTaskElements / size / unit) * unit;
    ParallelFor<Scratch>(
        CeilDiv(blocks, per_task), parallel,
        [&](int64_t task, Scratch& scratch) {
          const int64_t first = task * per_task;
          QuantizeByError(job, first, std::min(per_task, blocks - first),
                          scratch);
        },
        merge);
  } else if (HasHugeBlocks(job)) {
    RunHugeBlocks(job, refusals);
  } else if (HasContiguousKernel(job)) {
    ParallelFor<Scratch>(
        ContiguousTasks(job), parallel,
        [&](int64_t task, Scratch& scratch) {
          RunContiguousTask(job, task, scratch);
          if (job.output.stream) FlushStreams();
        },
        merge);
  } else {
    ParallelFor<Scratch>(
        AcrossTasks(job), parallel,
        [&](int64_t task, Scratch& scratch) {
          RunAcrossTask(job, task, scratch);
          if (job.output.stream) FlushStreams();
        },
        merge);
  }
  return RefusedStatus(refusals, grid);
}

absl::Status CheckOutput(absl::Span<const float> x, absl::Span<float> y) {
  if (x.size() != y.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the output has ", y.size(), " elements, the input ", x.size()));
  }
  const size_t bytes = x.size() * sizeof(float);
  return CheckOverlap(x.data(), bytes, y.data(), bytes);
}

// Values or operands.
absl::StatusOr<TensorFactors> RunValues(
    const Recipe& recipe, const BlockGrid& grid, absl::Span<const float> x,
    absl::Span<float> y, const QuantizeOptions& options, bool operand) {
  absl::Status status = CheckOutput(x, y);
  status.Update(CheckQuantizeArguments(recipe, grid, x.size(), options));
  if (!status.ok()) return status;
  Job job = MakeJob(recipe, grid, x, options);
  job.params.operand = operand;
  job.output.values = y.data();
  job.output.stream =
      ShouldStream(x.size() * sizeof(float), y.size() * sizeof(float)) &&
      x.data() != y.data();
  status = FindTensorFactors(job);
  if (status.ok()) status = RunJob(job);
  if (!status.ok()) return status;
  return job.params.tensor;
}

}  // namespace

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  const uint32_t bits = ParallelAmaxBits(x.data(), x.size());
  if (bits < 0x7F800000u) return BitCast<float>(bits);
  const int64_t bad = FirstNonFinite(x.data(), x.size());
  return NonFiniteError(bad, x[bad]);
}

absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options) {
  absl::Status status = CheckQuantizeArguments(recipe, grid, x.size(), options);
  if (!status.ok()) return status;
  if (recipe.tensor_scale != TensorScale::kPerTensor) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recipe '", recipe.name, "' has no scale of the whole tensor"));
  }
  Job job = MakeJob(recipe, grid, x, options);
  status = FindTensorFactors(job);
  if (!status.ok()) return status;
  return job.params.tensor.amax;
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options) {
  return RunValues(recipe, grid, x, y, options, /*operand=*/false).status();
}

absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options) {
  if (absl::Status status = CheckOneTensorScale(recipe); !status.ok()) {
    return status;
  }
  absl::StatusOr<TensorFactors> tensor =
      RunValues(recipe, grid, x, y, options, /*operand=*/true);
  if (!tensor.ok()) return tensor.status();
  return OperandScale(recipe.scale_rule, tensor->decode);
}

absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, PackedTensor* out,
                          const QuantizeOptions& options) {
  absl::Status status = CheckQuantizeArguments(recipe, grid, x.size(), options);
  if (!status.ok()) return status;
  PackedTensor& packed = *out;
  Job job = MakeJob(recipe, grid, x, options);
  PreparePacked(job, &packed);
  status = FindTensorFactors(job);
  if (!status.ok()) return status;
  for (const TensorFactors& tensor : job.tensors) {
    packed.tensor_scales.push_back(tensor.decode);
  }
  if (CanPackDirectly(job)) {
    job.output.packed = packed.codes.data();
    return RunJob(job);
  }
  // Blocks may share a byte: a byte a code first.
  std::vector<uint8_t> codes(x.size());
  job.output.codes = codes.data();
  status = RunJob(job);
  if (!status.ok()) return status;
  const int64_t n = x.size();
  ParallelFor<Scratch>(
      CeilDiv(n, kTaskElements), WorthThreads(n),
      [&](int64_t task, Scratch&) {
        const int64_t first = task * kTaskElements;
        PackCodes(codes.data() + first, std::min(kTaskElements, n - first),
                  packed.codes.data() + first / 2);
      },
      [](const Scratch&) {});
  return absl::OkStatus();
}

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      const QuantizeOptions& options) {
  PackedTensor packed;
  const absl::Status status = QuantizeInto(recipe, grid, x, &packed, options);
  if (!status.ok()) return status;
  return packed;
}

}  // namespace cnn_fp4::quant::cpu
