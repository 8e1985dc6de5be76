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

// Blocks in tasks of about kTaskElements, a multiple of `unit` blocks.
struct BlockTasks {
  BlockTasks(const BlockGrid& grid, int64_t unit)
      : blocks(grid.num_blocks()),
        per_task(std::max<int64_t>(
                     1, kTaskElements /
                            (grid.block_rows() * grid.block_cols()) / unit) *
                 unit) {}
  int64_t tasks() const { return CeilDiv(blocks, per_task); }
  int64_t first(int64_t task) const { return task * per_task; }
  int64_t count(int64_t task) const {
    return std::min(per_task, blocks - first(task));
  }
  const int64_t blocks, per_task;
};

absl::Status RunJob(const Job& job) {
  Refusals refusals;
  const auto run = [&](int64_t tasks, const auto& body) {
    ParallelFor<Scratch>(
        tasks, WorthThreads(job.grid.size()),
        [&](int64_t task, Scratch& scratch) {
          body(task, scratch);
          if (job.output.stream) FlushStreams();
        },
        [&](const Scratch& s) { refusals.Merge(s.refusals); });
  };
  switch (job.plan.path) {
    case Path::kNothing:
      break;
    case Path::kOneByOne: {
      const BlockTasks tasks(job.grid, 1);
      run(tasks.tasks(), [&](int64_t task, Scratch& scratch) {
        QuantizeSlowly(job, tasks.first(task), tasks.count(task), scratch);
      });
      break;
    }
    case Path::kErrorsOfChunks:
    case Path::kErrorsOfPanels: {
      const BlockTasks tasks(job.grid, kUnit);
      run(tasks.tasks(), [&](int64_t task, Scratch& scratch) {
        QuantizeByError(job, tasks.first(task), tasks.count(task), scratch);
      });
      break;
    }
    case Path::kHugeBlocks:
      RunHugeBlocks(job, refusals);
      break;
    case Path::kChunks:
    case Path::kGathered:
    case Path::kLongBlocks:
      run(ContiguousTasks(job), [&](int64_t task, Scratch& scratch) {
        RunContiguousTask(job, task, scratch);
      });
      break;
    case Path::kColumns:
    case Path::kTall:
    case Path::kBand:
      run(AcrossTasks(job), [&](int64_t task, Scratch& scratch) {
        RunAcrossTask(job, task, scratch);
      });
      break;
  }
  return RefusedStatus(refusals, job.grid);
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
  if (job.plan.packs_directly) {
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
