// QuantizeSlowly of quant/cpu/job.h: the definitions of quant/choose_scale.h,
// an element after the other.

#include <cmath>
#include <limits>

#include "quant/choose_scale.h"
#include "quant/cpu/job.h"
#include "quant/cpu/prepared_block.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"

namespace cnn_fp4::quant::cpu {
namespace {

// What kRefuse finds wrong with a block.
bool IsRefused(const PreparedBlock& block, Refusals& refusals) {
  Refusals own;
  for (int64_t i = 0; i < block.size(); ++i) {
    const float x = block.source(i);
    if (std::isfinite(x)) continue;
    own.element = block.offset(i);
    own.value = x;
    refusals.Merge(own);
    return true;
  }
  for (int64_t i = 0; i < block.size(); ++i) {
    if (std::isfinite(block.x(i))) continue;
    own.rotated = block.offset(i);
    refusals.Merge(own);
    return true;
  }
  return false;
}

void StoreCode(const KernelOutput& output, int64_t at, uint8_t code) {
  if (output.codes != nullptr) output.codes[at] = code;
  // Direct packing implies blocks of whole bytes, in order.
  if (output.packed != nullptr) {
    uint8_t& byte = output.packed[at / 2];
    byte = at % 2 == 0 ? code : static_cast<uint8_t>(byte | code << 4);
  }
}

}  // namespace

BlockFactors NanFactors(const Job& job) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  BlockFactors factors;
  factors.code =
      job.recipe.scale_format == ScaleFormat::kE8m0 ? kE8m0Nan : kE4m3Nan;
  factors.stored = kNan;
  factors.dequantize = kNan;
  return factors;
}

void QuantizeSlowly(const Job& job, int64_t first_block, int64_t count,
                    Scratch& scratch) {
  const ScaleRule rule = job.params.rule;
  const ElementRounding rounding{job.params.rounding, job.key,
                                 job.options.step};
  const KernelOutput& output = job.output;
  for (int64_t b = first_block; b < first_block + count; ++b) {
    const BlockGrid::Block where = job.grid.block(b);
    const PreparedBlock block(job, where);
    if (job.options.nonfinite == NonFinitePolicy::kRefuse &&
        IsRefused(block, scratch.refusals)) {
      continue;
    }
    const TensorFactors& tensor = job.tensor_of(where);
    const PreparedBlock::Amax amax = block.FindAmax();
    BlockFactors factors = NanFactors(job);
    if (amax.all_finite) {
      factors = job.has_given_scales()
                    ? FactorsOfGivenScale(rule, job.recipe.scale_format, tensor,
                                          job.options.block_scales[b])
                    : ChooseFactors(rule, rounding, tensor, amax.finite, block);
    }
    const int64_t to_block = b - job.first_output_block;
    if (output.scale_codes != nullptr) {
      output.scale_codes[to_block] = factors.code;
    }
    if (output.stored_scales != nullptr) {
      output.stored_scales[to_block] = factors.stored;
    }
    const float value_factor =
        job.params.operand ? factors.stored : factors.dequantize;
    for (int64_t i = 0; i < block.size(); ++i) {
      const uint8_t code = amax.all_finite ? CodeOf(rule, rounding, factors,
                                                    block.x(i), block.index(i))
                                           : uint8_t{0};
      const int64_t at = block.offset(i) - job.first_output_element;
      if (output.values != nullptr) {
        output.values[at] = DecodeE2m1(code) * value_factor;
      }
      StoreCode(output, at, code);
    }
  }
}

}  // namespace cnn_fp4::quant::cpu
