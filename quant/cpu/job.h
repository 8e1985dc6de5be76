#ifndef QUANT_CPU_JOB_H_
#define QUANT_CPU_JOB_H_

// One call of the quantiser, cut into tasks that threads take. Internal to
// quant/cpu.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/cpu/bands.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/narrow.h"
#include "quant/cpu/plan.h"
#include "quant/packed_tensor.h"
#include "quant/philox.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::quant::cpu {

// Elements of a task: small enough for the second-level cache, large enough
// that taking one costs nothing.
inline constexpr int64_t kTaskElements = 16384;

struct Job {
  const Recipe& recipe;
  const BlockGrid& grid;
  const QuantizeOptions& options;
  // The source; null: `narrow` is, FP16 or BF16, for Path::kChunks alone.
  const float* x;
  TensorView narrow = {};

  // One a tensor, or one a row; params.tensor is that of the tensor.
  std::vector<TensorFactors> tensors = {};
  KernelParams params = {};
  PhiloxKey key = {};

  // Null: not wanted. `packed` is written directly only if the plan says so;
  // otherwise `codes` is, and the caller packs them.
  KernelOutput output = {};
  Plan plan = {};
  // The element and the block that come first in `output`: 0 for whole tensors,
  // more for the one part that a task is about.
  int64_t first_output_element = 0;
  int64_t first_output_block = 0;

  const TensorFactors& tensor_of(const BlockGrid::Block& block) const {
    return tensors[tensors.size() == 1 ? 0 : block.row];
  }
  // Of the source; for what goes one by one.
  float element(int64_t i) const {
    return x != nullptr ? x[i] : NarrowElement(narrow, i);
  }
  bool has_given_scales() const { return !options.block_scales.empty(); }
  // The scales given for `block` and those after it, or null.
  const float* given_scales(int64_t block) const {
    return has_given_scales() ? options.block_scales.data() + block : nullptr;
  }
};

// What kRefuse has to report, of one thread: the smallest index of an element
// that is not finite, and of one that is not after the Hadamard transform.
struct Refusals {
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t element = kNone;
  float value = 0.0f;
  int64_t rotated = kNone;

  bool any() const { return element != kNone || rotated != kNone; }
  void Merge(const Refusals& other);
};

// The error that they are, if they are any.
absl::Status RefusedStatus(const Refusals& refusals, const BlockGrid& grid);

// Without output; the tensor factors are FindTensorFactors' (amax.h).
Job MakeJob(const Recipe& recipe, const BlockGrid& grid,
            absl::Span<const float> x, const QuantizeOptions& options);

// Makes *packed a tensor of this recipe and grid, with room for codes and
// scales, and lets the job write the scales to it.
void PreparePacked(Job& job, PackedTensor* packed);

// Quantises the source to the output, on all threads.
absl::Status RunJob(const Job& job);

// Quantises the source to *packed.
absl::Status RunPackedJob(Job& job, PackedTensor* packed);

// The buffers of one thread; they only ever grow.
struct Scratch {
  std::vector<float> wide, x, values, factors, value_factors, stored, errors;
  std::vector<float> line_factors, line_value_factors;
  std::vector<uint8_t> codes, scale_codes, random_bytes;
  std::vector<uint32_t> amax_bits, line_bits, random_words;
  Refusals refusals;
};

// Elements first .. first + n - 1 of the source: where they lie, or widened.
const float* SourceAt(const Job& job, int64_t first, int64_t n,
                      Scratch& scratch);

// job.output from a block and an element on.
KernelOutput OutputAt(const Job& job, int64_t block, int64_t offset);

// v.data(), v at least n long.
template <class T>
T* Grown(std::vector<T>& v, size_t n) {
  if (v.size() < n) v.resize(n);
  return v.data();
}

// The random bits of elements first .. first + n - 1, if the job's rounding
// takes any, in the scratch.
RandomBits FillRandom(const Job& job, int64_t first, size_t n,
                      Scratch& scratch);
// The same for rows: element r * row_stride + j is random_stride * r + j.
RandomBits FillRandomRows(const Job& job, int64_t first, size_t rows,
                          int64_t row_stride, size_t width,
                          size_t random_stride, Scratch& scratch);

// The factors of blocks first_block .. first_block + n - 1, to scratch.factors
// and scratch.value_factors, and their scales to the job's output: from their
// amaxes, all finite, or from the scales that the caller gives. With row scales
// the blocks are of one outer position and n <= inner, or whole columns of
// blocks (the next block is of the next row, round and round).
void FindFactors(const Job& job, int64_t first_block, const uint32_t* amax_bits,
                 size_t n, Scratch& scratch);

// What a block with a value that is not finite gets under kPropagate.
BlockFactors NanFactors(const Job& job);

// Blocks one by one, an element after the other: for rules without a kernel and
// for blocks with values that are not finite.
void QuantizeSlowly(const Job& job, int64_t first_block, int64_t count,
                    Scratch& scratch);

// Path::kPanels: blocks under a rule that compares errors.
void QuantizeInPanels(const Job& job, int64_t first_block, int64_t count,
                      Scratch& scratch);

// Path::kChunks: `count` blocks, the last of which may be a short one. Row
// scales: of one row.
void QuantizeInChunks(const Job& job, int64_t first_block, int64_t count,
                      Scratch& scratch);

// Whether these blocks follow each other without gaps.
bool HasFullChunks(const Job& job);

// Path::kHugeBlocks: two loops over pieces of all of them, for the amaxes and
// for the elements.
void QuantizeHugeBlocks(const Job& job, Refusals& refusals);

// Path::kColumns: a band of at most kColumnsAtOnce columns.
inline constexpr int64_t kColumnsAtOnce = 1024;
void QuantizeInColumns(const Job& job, const Band& band, Scratch& scratch);

// Path::kBands.
int64_t Bands(const Job& job);
Band BandAt(const Job& job, int64_t index);
void QuantizeBand(const Job& job, const Band& band, Scratch& scratch);

// n elements that begin with element `at` of the tensor, from x (which may be a
// copy of them) to the job's output, each with factors of its own.
void QuantizeLine(const Job& job, int64_t at, const float* x, int64_t n,
                  const float* factors, const float* value_factors,
                  Scratch& scratch);

// x, or its transform in scratch.x if the recipe transforms: of `n` elements
// along memory, or of rows of columns.
const float* Rotated(const Job& job, const float* x, size_t n,
                     Scratch& scratch);
struct Source {
  const float* x = nullptr;
  size_t stride = 0;  // From row to row.
};
Source Rotated(const Job& job, const float* x, size_t rows, size_t stride,
               size_t width, Scratch& scratch);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_JOB_H_
