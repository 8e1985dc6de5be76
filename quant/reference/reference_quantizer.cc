#include "quant/reference/reference_quantizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "Eigen/Core"
#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/hadamard.h"
#include "quant/philox.h"
#include "quant/quantize_checks.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::reference {
namespace {

using Values = Eigen::ArrayXf;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The offsets of a block's elements, in memory order.
std::vector<int64_t> Offsets(const BlockGrid& grid, const BlockGrid::Block& b) {
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < b.rows; ++r) {
    for (int64_t c = 0; c < b.cols; ++c) {
      offsets.push_back(b.offset + r * grid.row_stride() +
                        c * grid.col_stride());
    }
  }
  return offsets;
}

int64_t FirstNonFinite(const Values& x) {
  for (int64_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return i;
  }
  return -1;
}

void Rotate(const BlockGrid& grid, uint16_t signs, Values& x) {
  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const std::vector<int64_t> offsets = Offsets(grid, grid.block(b));
    for (size_t first = 0; first < offsets.size(); first += kHadamardSize) {
      float group[kHadamardSize];
      for (int i = 0; i < kHadamardSize; ++i) group[i] = x[offsets[first + i]];
      RandomHadamard16(group, signs);
      for (int i = 0; i < kHadamardSize; ++i) x[offsets[first + i]] = group[i];
    }
  }
}

// The element whose group of 16 holds x[index] begins there.
int64_t GroupBegin(const BlockGrid& grid, int64_t index) {
  const int64_t i = index % grid.inner();
  const int64_t c = index / grid.inner() % grid.cols();
  const int64_t o = index / grid.inner() / grid.cols();
  return (o * grid.cols() + c / kHadamardSize * kHadamardSize) * grid.inner() +
         i;
}

// Policy, transform, policy again for what overflowed in the transform.
absl::Status Prepare(const Recipe& recipe, const BlockGrid& grid,
                     const QuantizeOptions& options, Values& x) {
  for (const bool rotated : {false, true}) {
    if (rotated) {
      if (!recipe.hadamard) break;
      Rotate(grid, options.hadamard_signs, x);
    }
    const int64_t bad = FirstNonFinite(x);
    if (bad < 0) continue;
    if (options.nonfinite == NonFinitePolicy::kRefuse) {
      return rotated ? HadamardOverflowError(GroupBegin(grid, bad))
                     : NonFiniteError(bad, x[bad]);
    }
    if (options.nonfinite == NonFinitePolicy::kSaturate) {
      x = x.unaryExpr([](float v) { return Saturate(v); });
    }
  }
  return absl::OkStatus();
}

float FiniteAmax(const Values& x) {
  float amax = 0.0f;
  for (const float v : x) {
    if (std::isfinite(v)) amax = std::max(amax, std::fabs(v));
  }
  return amax;
}

// One a tensor, or one a row.
std::vector<TensorFactors> AllTensorFactors(const Recipe& recipe,
                                            const BlockGrid& grid,
                                            const QuantizeOptions& options,
                                            const Values& x) {
  const auto make = [&recipe](float amax) {
    return MakeTensorFactors(recipe.scale_rule, recipe.rounding,
                             recipe.scale_max,
                             recipe.tensor_scale != TensorScale::kNone, amax);
  };
  if (recipe.tensor_scale != TensorScale::kPerRow) {
    return {make(options.tensor_amax.has_value() ? *options.tensor_amax
                                                 : FiniteAmax(x))};
  }
  std::vector<float> amaxes(grid.num_rows(), 0.0f);
  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const BlockGrid::Block block = grid.block(b);
    for (const int64_t i : Offsets(grid, block)) {
      if (!std::isfinite(x[i])) continue;
      amaxes[block.row] = std::max(amaxes[block.row], std::fabs(x[i]));
    }
  }
  if (!options.row_amaxes.empty()) {
    amaxes.assign(options.row_amaxes.begin(), options.row_amaxes.end());
  }
  std::vector<TensorFactors> factors;
  for (const float amax : amaxes) factors.push_back(make(amax));
  return factors;
}

uint8_t Encode(Rounding rounding, float x, int64_t index, PhiloxKey key) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return EncodeE2m1(x);
    case Rounding::kTiesAway:
      return EncodeE2m1TiesAway(x);
    case Rounding::kTiesToZero:
      return EncodeE2m1TiesToZero(x);
    case Rounding::kStochastic8:
      return EncodeE2m1Stochastic8(x, RandomByte(index, key));
    default:
      return EncodeE2m1Stochastic(x, RandomWord(index, key));
  }
}

// One block on its way.
struct BlockContext {
  const Recipe& recipe;
  const TensorFactors& tensor;
  PhiloxKey key;
  std::vector<int64_t> offsets;
  Values x;
};

// The codes of a block under given factors.
std::vector<uint8_t> EncodeBlock(const BlockContext& context,
                                 const BlockFactors& factors) {
  const Values scaled = DividesElements(context.recipe.scale_rule)
                            ? Values(context.x / factors.factor)
                            : Values(context.x * factors.factor);
  std::vector<uint8_t> codes;
  for (int64_t i = 0; i < scaled.size(); ++i) {
    codes.push_back(Encode(context.recipe.rounding, scaled[i],
                           context.offsets[i], context.key));
  }
  return codes;
}

// Summed in element order.
float SquaredError(const BlockContext& context, const BlockFactors& factors) {
  const std::vector<uint8_t> codes = EncodeBlock(context, factors);
  float error = 0.0f;
  for (size_t i = 0; i < codes.size(); ++i) {
    const float d = DecodeE2m1(codes[i]) * factors.dequantize - context.x[i];
    error += d * d;
  }
  return error;
}

// The error that four-over-six compares, over v = ((q * s8) * A) / (M * E).
float FourOverSixError(const BlockContext& context,
                       const BlockFactors& factors) {
  const std::vector<uint8_t> codes = EncodeBlock(context, factors);
  float error = 0.0f;
  for (size_t i = 0; i < codes.size(); ++i) {
    const float v = DecodeE2m1(codes[i]) * factors.stored *
                    context.tensor.amax / context.tensor.range;
    const float d = v - context.x[i];
    switch (context.recipe.scale_rule) {
      case ScaleRule::kFourOverSixMse:
        error += d * d;
        break;
      case ScaleRule::kFourOverSixMae:
        error += std::fabs(d);
        break;
      default:
        error = std::max(error, std::fabs(d));
        break;
    }
  }
  return error;
}

BlockFactors ChooseFactors(const BlockContext& context) {
  const ScaleRule rule = context.recipe.scale_rule;
  const float amax = context.x.abs().maxCoeff();
  if (IsFourOverSix(rule)) {
    const FourSixCodes codes = FourOverSixCodes(context.tensor, amax);
    const BlockFactors six = FactorsOfE4m3(rule, context.tensor, codes.six);
    const BlockFactors four = FactorsOfE4m3(rule, context.tensor, codes.four);
    return FourOverSixError(context, four) < FourOverSixError(context, six)
               ? four
               : six;
  }
  if (rule == ScaleRule::kBestOf126) {
    BlockFactors best = FactorsOfE4m3(rule, context.tensor, 0x7E);
    float best_error = SquaredError(context, best);
    for (uint8_t code = 0x7D; code >= 1; --code) {
      const BlockFactors factors = FactorsOfE4m3(rule, context.tensor, code);
      const float error = SquaredError(context, factors);
      if (error < best_error) {
        best = factors;
        best_error = error;
      }
    }
    return best;
  }
  return MakeBlockFactors(rule, context.tensor, amax);
}

// A scale that the caller gave.
BlockFactors GivenFactors(const BlockContext& context, float scale) {
  const ScaleRule rule = context.recipe.scale_rule;
  switch (context.recipe.scale_format) {
    case ScaleFormat::kE4m3:
      return FactorsOfE4m3(rule, context.tensor, EncodeE4m3(scale));
    case ScaleFormat::kE8m0: {
      const uint8_t code = EncodeE8m0RoundUp(scale);
      return FactorsOfStored(rule, context.tensor, code, DecodeE8m0(code));
    }
    case ScaleFormat::kFloat32:
      break;
  }
  return FactorsOfStored(rule, context.tensor, 0, scale);
}

BlockFactors NanFactors(ScaleFormat format) {
  BlockFactors factors;
  factors.code = format == ScaleFormat::kE8m0 ? kE8m0Nan : kE4m3Nan;
  factors.stored = kNan;
  factors.dequantize = kNan;
  return factors;
}

}  // namespace

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return NonFiniteError(i, x[i]);
  }
  if (x.empty()) return 0.0f;
  return Eigen::Map<const Values>(x.data(), x.size()).abs().maxCoeff();
}

absl::StatusOr<Result> Quantize(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> source,
                                const QuantizeOptions& options) {
  absl::Status status =
      CheckQuantizeArguments(recipe, grid, source.size(), options);
  if (!status.ok()) return status;
  Values x = Eigen::Map<const Values>(source.data(), source.size());
  status = Prepare(recipe, grid, options, x);
  if (!status.ok()) return status;
  const std::vector<TensorFactors> tensors =
      AllTensorFactors(recipe, grid, options, x);

  Result result;
  PackedTensor& packed = result.packed;
  packed.recipe = recipe;
  packed.grid = grid;
  packed.codes.resize((x.size() + 1) / 2);
  for (const TensorFactors& t : tensors) {
    packed.tensor_scales.push_back(t.decode);
  }
  result.values.resize(x.size());
  result.operand.resize(x.size());

  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const BlockGrid::Block block = grid.block(b);
    BlockContext context{recipe,
                         tensors[tensors.size() == 1 ? 0 : block.row],
                         {options.seed, options.stream},
                         Offsets(grid, block),
                         {}};
    context.x.resize(context.offsets.size());
    for (int64_t i = 0; i < context.x.size(); ++i) {
      context.x[i] = x[context.offsets[i]];
    }

    BlockFactors factors;
    std::vector<uint8_t> codes(context.x.size(), 0);
    if (FirstNonFinite(context.x) >= 0) {
      factors = NanFactors(recipe.scale_format);
    } else {
      factors = options.block_scales.empty()
                    ? ChooseFactors(context)
                    : GivenFactors(context, options.block_scales[b]);
      codes = EncodeBlock(context, factors);
    }

    if (recipe.scale_format == ScaleFormat::kFloat32) {
      packed.scales_float32.push_back(factors.stored);
    } else {
      packed.scales.push_back(factors.code);
    }
    for (size_t i = 0; i < codes.size(); ++i) {
      const int64_t at = context.offsets[i];
      packed.codes[at / 2] |= codes[i] << (4 * (at % 2));
      result.values[at] = DecodeE2m1(codes[i]) * factors.dequantize;
      result.operand[at] = DecodeE2m1(codes[i]) * factors.stored;
    }
  }
  return result;
}

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y) {
  absl::Status status = ValidatePackedTensor(packed);
  if (!status.ok()) return status;
  if (static_cast<int64_t>(y.size()) != packed.grid.size()) {
    return absl::InvalidArgumentError(
        "the output does not have the packed tensor's size");
  }
  const ScaleRule rule = packed.recipe.scale_rule;
  for (int64_t b = 0; b < packed.grid.num_blocks(); ++b) {
    const BlockGrid::Block block = packed.grid.block(b);
    TensorFactors tensor;
    tensor.decode =
        packed.tensor_scales[packed.tensor_scales.size() == 1 ? 0 : block.row];
    BlockFactors factors;
    switch (packed.recipe.scale_format) {
      case ScaleFormat::kE4m3:
        factors = FactorsOfE4m3(rule, tensor, packed.scales[b]);
        break;
      case ScaleFormat::kE8m0:
        factors.dequantize = DecodeE8m0(packed.scales[b]);
        break;
      case ScaleFormat::kFloat32:
        factors.dequantize = packed.scales_float32[b];
        break;
    }
    for (const int64_t i : Offsets(packed.grid, block)) {
      y[i] = DecodeE2m1(CodeAt(packed, i)) * factors.dequantize;
    }
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::reference
