#include "quant/cpu/job.h"

#include <algorithm>
#include <cstring>

#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Room for the elements before `first` and for a last whole block.
constexpr size_t kRandomSlack = 64;

}  // namespace

void Refusals::Merge(const Refusals& other) {
  if (other.element < element) {
    element = other.element;
    value = other.value;
  }
  if (other.rotated < rotated) rotated = other.rotated;
}

absl::Status RefusedStatus(const Refusals& refusals, const BlockGrid& grid) {
  if (refusals.element != Refusals::kNone) {
    return NonFiniteError(refusals.element, refusals.value);
  }
  if (refusals.any()) return HadamardOverflowError(grid, refusals.rotated);
  return absl::OkStatus();
}

Job MakeJob(const Recipe& recipe, const BlockGrid& grid,
            absl::Span<const float> x, const QuantizeOptions& options) {
  Job job{recipe, grid, options, x.data()};
  job.params.rule = recipe.scale_rule;
  job.params.rounding = recipe.rounding;
  job.params.scale_format = recipe.scale_format;
  job.key = {options.seed, options.stream};
  job.plan = MakePlan(recipe, grid, options);
  return job;
}

void PreparePacked(Job& job, PackedTensor* packed) {
  const BlockGrid& grid = job.grid;
  packed->recipe = job.recipe;
  packed->grid = grid;
  packed->codes.resize((grid.size() + 1) / 2);
  packed->scales.clear();
  packed->scales_float32.clear();
  packed->tensor_scales.clear();
  if (job.recipe.scale_format == ScaleFormat::kFloat32) {
    packed->scales_float32.resize(grid.num_blocks());
    job.output.stored_scales = packed->scales_float32.data();
  } else {
    packed->scales.resize(grid.num_blocks());
    job.output.scale_codes = packed->scales.data();
  }
}

const float* SourceAt(const Job& job, int64_t first, int64_t n,
                      Scratch& scratch) {
  if (job.x != nullptr) return job.x + first;
  float* wide = Grown(scratch.wide, n);
  Widen(job.narrow, first, n, wide);
  return wide;
}

KernelOutput OutputAt(const Job& job, int64_t block, int64_t offset) {
  block -= job.first_output_block;
  offset -= job.first_output_element;
  KernelOutput at = job.output;
  if (at.values != nullptr) at.values += offset;
  if (at.codes != nullptr) at.codes += offset;
  if (at.packed != nullptr) at.packed += offset / 2;
  if (at.scale_codes != nullptr) at.scale_codes += block;
  if (at.stored_scales != nullptr) at.stored_scales += block;
  return at;
}

RandomBits FillRandomRows(const Job& job, int64_t first, size_t rows,
                          int64_t row_stride, size_t width,
                          size_t random_stride, Scratch& scratch) {
  RandomBits random;
  const int64_t first_of_all = job.options.first_element + first;
  const auto fill = [&](auto draw, int64_t alignment, auto& bits) {
    auto* to = Grown(bits, rows * random_stride + width + kRandomSlack);
    // Rows are drawn behind each other, each from where its Philox block
    // begins, and moved to their place; a row's slack is overwritten by the
    // next one.
    for (size_t r = 0; r < rows; ++r, to += random_stride) {
      const int64_t row = first_of_all + static_cast<int64_t>(r) * row_stride;
      const int64_t shift = row % alignment;
      draw(job.key, job.options.step, row - shift, width + shift, to);
      if (shift != 0) std::copy_n(to + shift, width, to);
    }
    return bits.data();
  };
  if (job.params.rounding == Rounding::kStochastic8) {
    random.bytes = fill(FillRandomBytes, 16, scratch.random_bytes);
  } else if (IsStochastic(job.params.rounding)) {
    random.words = fill(FillRandomWords, 4, scratch.random_words);
  }
  return random;
}

RandomBits FillRandom(const Job& job, int64_t first, size_t n,
                      Scratch& scratch) {
  return FillRandomRows(job, first, 1, 0, n, 0, scratch);
}

void FindFactors(const Job& job, int64_t first_block, const uint32_t* amax_bits,
                 size_t n, Scratch& scratch) {
  float* factors = Grown(scratch.factors, n);
  float* value_factors = Grown(scratch.value_factors, n);
  uint8_t* codes = Grown(scratch.scale_codes, n);
  float* stored = Grown(scratch.stored, n);
  const ScaleRule rule = job.params.rule;
  if (job.tensors.size() > 1) {
    const int64_t first_row = job.grid.block(first_block).row;
    for (size_t i = 0; i < n; ++i) {
      const TensorFactors& tensor =
          job.tensors[first_row + i % job.grid.inner()];
      const BlockFactors block =
          job.has_given_scales()
              ? FactorsOfGivenScale(rule, job.recipe.scale_format, tensor,
                                    job.options.block_scales[first_block + i])
              : MakeBlockFactors(rule, tensor, BitCast<float>(amax_bits[i]));
      factors[i] = block.factor;
      value_factors[i] = job.params.operand ? block.stored : block.dequantize;
      codes[i] = block.code;
      stored[i] = block.stored;
    }
  } else {
    KernelParams params = job.params;
    params.given_scales = job.given_scales(first_block);
    ComputeFactors(params, amax_bits, n, factors, value_factors, codes, stored);
  }
  const KernelOutput& out = job.output;
  const int64_t to = first_block - job.first_output_block;
  if (out.scale_codes != nullptr) memcpy(out.scale_codes + to, codes, n);
  if (out.stored_scales != nullptr) {
    memcpy(out.stored_scales + to, stored, n * sizeof(float));
  }
}

}  // namespace cnn_fp4::quant::cpu
