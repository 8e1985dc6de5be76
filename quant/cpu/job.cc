#include "quant/cpu/job.h"

#include <cstring>

#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cpu {
namespace {

enum class RandomKind { kNone, kBytes, kWords };

RandomKind KindOf(Rounding rounding) {
  switch (rounding) {
    case Rounding::kStochastic8:
      return RandomKind::kBytes;
    case Rounding::kStochastic:
    case Rounding::kStochasticUnbiased:
      return RandomKind::kWords;
    default:
      return RandomKind::kNone;
  }
}

// Philox blocks begin at multiples of this many elements.
int64_t Alignment(RandomKind kind) {
  return kind == RandomKind::kBytes ? 16 : 4;
}

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
  Job job{recipe, grid, options, x.data(), {}, {}, {}, {}};
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

RandomBits FillRandom(const Job& job, int64_t first, size_t n,
                      Scratch& scratch) {
  RandomBits random;
  const RandomKind kind = KindOf(job.params.rounding);
  if (kind == RandomKind::kNone) return random;
  first += job.options.first_element;
  const int64_t shift = first % Alignment(kind);
  if (kind == RandomKind::kBytes) {
    Grown(scratch.random_bytes, n + kRandomSlack);
    FillRandomBytes(job.key, job.options.step, first - shift, n + shift,
                    scratch.random_bytes.data());
    random.bytes = scratch.random_bytes.data() + shift;
  } else {
    Grown(scratch.random_words, n + kRandomSlack);
    FillRandomWords(job.key, job.options.step, first - shift, n + shift,
                    scratch.random_words.data());
    random.words = scratch.random_words.data() + shift;
  }
  return random;
}

RandomBits FillRandomRows(const Job& job, int64_t first, size_t rows,
                          int64_t row_stride, size_t width,
                          size_t random_stride, Scratch& scratch) {
  RandomBits random;
  const RandomKind kind = KindOf(job.params.rounding);
  if (kind == RandomKind::kNone) return random;
  // Rows are drawn behind each other, each from where its Philox block begins,
  // and moved to their place; a row's slack is overwritten by the next one.
  if (kind == RandomKind::kBytes) {
    Grown(scratch.random_bytes, rows * random_stride + width + kRandomSlack);
    random.bytes = scratch.random_bytes.data();
  } else {
    Grown(scratch.random_words, rows * random_stride + width + kRandomSlack);
    random.words = scratch.random_words.data();
  }
  for (size_t r = 0; r < rows; ++r) {
    const int64_t row = job.options.first_element + first +
                        static_cast<int64_t>(r) * row_stride;
    const int64_t shift = row % Alignment(kind);
    if (kind == RandomKind::kBytes) {
      uint8_t* to = scratch.random_bytes.data() + r * random_stride;
      FillRandomBytes(job.key, job.options.step, row - shift, width + shift,
                      to);
      if (shift != 0) memmove(to, to + shift, width);
    } else {
      uint32_t* to = scratch.random_words.data() + r * random_stride;
      FillRandomWords(job.key, job.options.step, row - shift, width + shift,
                      to);
      if (shift != 0) memmove(to, to + shift, width * sizeof(uint32_t));
    }
  }
  return random;
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
  if (out.scale_codes != nullptr) {
    memcpy(out.scale_codes + first_block, codes, n);
  }
  if (out.stored_scales != nullptr) {
    memcpy(out.stored_scales + first_block, stored, n * sizeof(float));
  }
}

}  // namespace cnn_fp4::quant::cpu
