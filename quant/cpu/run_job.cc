// RunJob and RunPackedJob of quant/cpu/job.h.

#include <algorithm>
#include <cstdint>

#include "quant/cpu/amax.h"
#include "quant/cpu/bands.h"
#include "quant/cpu/job.h"
#include "quant/cpu/parallel.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Blocks in tasks of about kTaskElements, `unit` of them at least, none across
// the end of a row where rows are gone through one by one.
class BlockTasks {
 public:
  BlockTasks(const Job& job, int64_t unit)
      : in_row_(job.plan.row_by_row ? job.grid.block_count_cols()
                                    : job.grid.num_blocks()),
        rows_(job.grid.num_blocks() / in_row_),
        per_task_(std::max<int64_t>(
                      1, kTaskElements / unit /
                             (job.grid.block_rows() * job.grid.block_cols())) *
                  unit),
        tasks_in_row_(CeilDiv(in_row_, per_task_)) {}

  int64_t tasks() const { return rows_ * tasks_in_row_; }
  int64_t first(int64_t task) const {
    return task / tasks_in_row_ * in_row_ + task % tasks_in_row_ * per_task_;
  }
  int64_t count(int64_t task) const {
    return std::min(per_task_, in_row_ - task % tasks_in_row_ * per_task_);
  }

 private:
  const int64_t in_row_, rows_, per_task_, tasks_in_row_;
};

}  // namespace

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
  // body(job, first, count, scratch) takes blocks.
  const auto run_blocks = [&](int64_t unit, const auto& body) {
    const BlockTasks tasks(job, unit);
    run(tasks.tasks(), [&](int64_t task, Scratch& scratch) {
      body(job, tasks.first(task), tasks.count(task), scratch);
    });
  };
  const int64_t chunk = kChunk;
  switch (job.plan.path) {
    case Path::kNothing:
      break;
    case Path::kOneByOne:
      run_blocks(1, QuantizeSlowly);
      break;
    case Path::kPanels:
      run_blocks(kUnit, QuantizeInPanels);
      break;
    case Path::kChunks:
      run_blocks(chunk / job.grid.block_cols(), QuantizeInChunks);
      break;
    case Path::kHugeBlocks:
      QuantizeHugeBlocks(job, refusals);
      break;
    case Path::kColumns:
      run(ColumnBands(job.grid, kColumnsAtOnce),
          [&](int64_t task, Scratch& scratch) {
            QuantizeInColumns(job, ColumnBandAt(job.grid, kColumnsAtOnce, task),
                              scratch);
          });
      break;
    case Path::kBands:
      run(Bands(job), [&](int64_t task, Scratch& scratch) {
        QuantizeBand(job, BandAt(job, task), scratch);
      });
      break;
  }
  return RefusedStatus(refusals, job.grid);
}

absl::Status RunPackedJob(Job& job, PackedTensor* packed) {
  PreparePacked(job, packed);
  absl::Status status = FindTensorFactors(job);
  if (!status.ok()) return status;
  for (const TensorFactors& tensor : job.tensors) {
    packed->tensor_scales.push_back(tensor.decode);
  }
  if (job.plan.packs_directly) {
    job.output.packed = packed->codes.data();
    return RunJob(job);
  }
  // Blocks may share a byte: a byte a code first.
  const int64_t n = job.grid.size();
  std::vector<uint8_t> codes(n);
  job.output.codes = codes.data();
  status = RunJob(job);
  if (!status.ok()) return status;
  ParallelFor<Scratch>(
      CeilDiv(n, kTaskElements), WorthThreads(n),
      [&](int64_t task, Scratch&) {
        const int64_t first = task * kTaskElements;
        PackCodes(codes.data() + first, std::min(kTaskElements, n - first),
                  packed->codes.data() + first / 2);
      },
      [](const Scratch&) {});
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::cpu
