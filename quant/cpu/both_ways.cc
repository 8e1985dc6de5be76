#include "quant/cpu/both_ways.h"

#include <algorithm>
#include <vector>

#include "quant/cpu/amax.h"
#include "quant/cpu/bands.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/job.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/parallel.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cpu {
namespace {

// The longest row of `columns`: a thread keeps the codes of as many elements
// for each row of a block.
constexpr int64_t kLongestRow = 1 << 18;

// One of the two operands: how it is made, and where to.
struct Side {
  Job job;
  PackedTensor* packed = nullptr;
  bool measured = false;
  std::vector<DistortionSums> sums =
      {};  // Of each task, where they are wanted.

  bool needs_codes() const { return measured || packed != nullptr; }
};

// What a thread works in for one of them: where codes are needed, those of one
// band or one run of it, one a byte, the stored scales, and the transform of
// its elements.
struct Buffers {
  Scratch scratch;
  std::vector<uint8_t> codes;
  std::vector<float> stored, rotated;
};

struct State {
  Buffers rows, columns;
};

// The job of a part of a tensor, to codes that are put by.
Job CodesOf(const Side& side, int64_t first_block, int64_t blocks,
            int64_t offset, int64_t elements, Buffers& buffers) {
  Job local = side.job;
  local.output = {};
  local.output.codes = Grown(buffers.codes, elements);
  local.output.stored_scales = Grown(buffers.stored, blocks);
  if (side.job.output.scale_codes != nullptr) {
    local.output.scale_codes = side.job.output.scale_codes + first_block;
  }
  local.first_output_block = first_block;
  local.first_output_element = offset;
  return local;
}

// Makes values of the codes, of a tile that begins at element `offset` and of
// which all but where codes, scales and values lie is known.
void Decode(Side& side, int64_t task, int64_t offset, const Buffers& buffers,
            CodeTile tile) {
  const Job& job = side.job;
  tile.codes = buffers.codes.data();
  tile.scales = buffers.stored.data();
  tile.tensor_scale =
      OperandScale(job.recipe.scale_rule, job.params.tensor.decode);
  tile.values = job.output.values + offset;
  tile.stream = job.output.stream;
  DistortionSums unwanted;
  DecodeTile(tile, side.measured ? side.sums[task] : unwanted);
  if (side.packed == nullptr) return;
  for (size_t r = 0; r < tile.rows; ++r) {
    PackCodes(tile.codes + r * tile.code_stride, tile.width,
              side.packed->codes.data() + (offset + r * tile.value_stride) / 2);
  }
}

// The blocks along memory in elements offset .. offset + n - 1.
void RunRows(Side& side, int64_t task, int64_t offset, int64_t n,
             Buffers& buffers) {
  const Job& job = side.job;
  const int64_t block = job.grid.block_cols();
  const int64_t first = offset / block;
  const int64_t blocks = n / block;
  if (!side.needs_codes()) {
    return QuantizeInChunks(job, first, blocks, buffers.scratch);
  }
  QuantizeInChunks(CodesOf(side, first, blocks, offset, n, buffers), first,
                   blocks, buffers.scratch);
  if (job.output.stored_scales != nullptr) {
    std::copy_n(buffers.stored.data(), blocks,
                job.output.stored_scales + first);
  }
  CodeTile tile;
  tile.rows = 1;
  tile.width = n;
  tile.x = job.x + offset;
  if (job.recipe.hadamard) {
    float* rotated = Grown(buffers.rotated, n);
    HadamardGroups(tile.x, n / kHadamardSize, job.options.hadamard_signs,
                   rotated);
    tile.x = rotated;
  }
  tile.block_units = block / static_cast<int64_t>(kUnit);
  Decode(side, task, offset, buffers, tile);
}

void RunColumns(Side& side, int64_t task, const Band& band, Buffers& buffers) {
  const Job& job = side.job;
  if (!side.needs_codes()) return QuantizeInColumns(job, band, buffers.scratch);
  const int64_t inner = job.grid.inner();
  QuantizeInColumns(CodesOf(side, band.first_block, band.width, band.offset,
                            (band.lines - 1) * inner + band.width, buffers),
                    band, buffers.scratch);
  if (job.output.stored_scales != nullptr) {
    std::copy_n(buffers.stored.data(), band.width,
                job.output.stored_scales + band.first_block);
  }
  const Source source = Rotated(job, job.x + band.offset, band.lines, inner,
                                band.width, buffers.scratch);
  CodeTile tile;
  tile.rows = band.lines;
  tile.width = band.width;
  tile.x = source.x;
  tile.x_stride = source.stride;
  tile.code_stride = tile.value_stride = inner;
  Decode(side, task, band.offset, buffers, tile);
}

Job OperandJob(absl::Span<const float> x, const Way& way, bool stream) {
  Job job = MakeJob(way.recipe, way.grid, x, way.options);
  job.params.operand = true;
  job.output.values = way.values;
  job.output.stream = stream;
  return job;
}

void Finish(const Side& side, Way& way) {
  const float decode = side.job.params.tensor.decode;
  way.tensor_scale = OperandScale(way.recipe.scale_rule, decode);
  if (way.packed != nullptr) way.packed->tensor_scales = {decode};
  for (const DistortionSums& sums : side.sums) way.sums->Merge(sums);
}

bool TakesScalesFromAmaxes(const Way& way) {
  return way.options.block_scales.empty() &&
         !ComparesErrors(way.recipe.scale_rule) &&
         way.recipe.tensor_scale != TensorScale::kPerRow;
}

}  // namespace

bool ServesBothWays(const Way& rows, const Way& columns) {
  if (rows.grid.size() == 0 || rows.grid.size() != columns.grid.size() ||
      !TakesScalesFromAmaxes(rows) || !TakesScalesFromAmaxes(columns)) {
    return false;
  }
  const Job row_job = OperandJob({}, rows, false);
  const Job column_job = OperandJob({}, columns, false);
  const int64_t inner = columns.grid.inner();
  return HasFullChunks(row_job) && column_job.plan.path == Path::kColumns &&
         inner % rows.grid.block_cols() == 0 && inner <= kLongestRow;
}

absl::Status QuantizeBothWays(absl::Span<const float> x, Way& rows,
                              Way& columns) {
  const bool stream =
      ShouldStream(x.size() * sizeof(float), 2 * x.size() * sizeof(float));
  Side row_side{OperandJob(x, rows, stream), rows.packed, rows.sums != nullptr};
  Side column_side{OperandJob(x, columns, stream), columns.packed,
                   columns.sums != nullptr};
  absl::Status status = FindTensorFactorsOfBoth(row_side.job, column_side.job);
  if (!status.ok()) return status;

  const int64_t bands = ColumnBands(columns.grid, kColumnsAtOnce);
  const int64_t per_task =
      std::max<int64_t>(1, kTaskElements / (columns.grid.size() / bands));
  const int64_t tasks = CeilDiv(bands, per_task);
  for (Side* side : {&row_side, &column_side}) {
    // Added up in the order of the tasks, whatever thread had which.
    if (side->measured) side->sums.resize(tasks);
    if (side->packed != nullptr) PreparePacked(side->job, side->packed);
  }
  Refusals row_refusals, column_refusals;
  ParallelFor<State>(
      tasks, WorthThreads(x.size()),
      [&](int64_t task, State& state) {
        const int64_t end = std::min(bands, (task + 1) * per_task);
        for (int64_t s = task * per_task; s < end; ++s) {
          const Band band = ColumnBandAt(columns.grid, kColumnsAtOnce, s);
          RunColumns(column_side, task, band, state.columns);
          ForEachSpan(band, [&](int64_t offset, int64_t n) {
            RunRows(row_side, task, offset, n, state.rows);
          });
        }
        if (stream) FlushStreams();
      },
      [&](const State& state) {
        row_refusals.Merge(state.rows.scratch.refusals);
        column_refusals.Merge(state.columns.scratch.refusals);
      });
  status = RefusedStatus(row_refusals, rows.grid);
  if (status.ok()) status = RefusedStatus(column_refusals, columns.grid);
  if (!status.ok()) return status;
  Finish(row_side, rows);
  Finish(column_side, columns);
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::cpu
