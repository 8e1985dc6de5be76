#include "quant/reference/reference_quantizer.h"

#include <algorithm>
#include <cmath>

#include "quant/float_environment.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e8m0.h"
#include "quant/quantize_checks.h"
#include "quant/reference/block_quantizer.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::reference {
namespace {

// The tensor after policy and transform.
absl::StatusOr<Values> Prepare(const Recipe& recipe, const BlockGrid& grid,
                               const QuantizeOptions& options,
                               absl::Span<const float> source) {
  const bool refuse = options.nonfinite == NonFinitePolicy::kRefuse;
  Values x = Eigen::Map<const Values>(source.data(), source.size());
  int64_t bad = FirstNonFinite(x);
  if (refuse && bad >= 0) return NonFiniteError(bad, x[bad]);
  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const std::vector<int64_t> offsets = Offsets(grid, grid.block(b));
    Values block(offsets.size());
    for (size_t i = 0; i < offsets.size(); ++i) block[i] = x[offsets[i]];
    PrepareBlock(recipe, options, block);
    for (size_t i = 0; i < offsets.size(); ++i) x[offsets[i]] = block[i];
  }
  bad = FirstNonFinite(x);
  if (refuse && bad >= 0) return HadamardOverflowError(grid, bad);
  return x;
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
  const auto make = [&](float amax) {
    return MakeTensorFactors(recipe.scale_rule, recipe.rounding,
                             recipe.scale_max,
                             recipe.tensor_scale != TensorScale::kNone, amax,
                             options.nonfinite == NonFinitePolicy::kSaturate);
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

}  // namespace

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  const FloatEnvironment environment;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return NonFiniteError(i, x[i]);
  }
  if (x.empty()) return 0.0f;
  return Eigen::Map<const Values>(x.data(), x.size()).abs().maxCoeff();
}

absl::StatusOr<Result> Quantize(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> source,
                                const QuantizeOptions& options) {
  const FloatEnvironment environment;
  absl::Status status =
      CheckQuantizeArguments(recipe, grid, source.size(), options);
  if (!status.ok()) return status;
  absl::StatusOr<Values> prepared = Prepare(recipe, grid, options, source);
  if (!prepared.ok()) return prepared.status();
  const Values& x = *prepared;
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
    BlockInput input{recipe,
                     tensors[tensors.size() == 1 ? 0 : block.row],
                     {options.seed, options.stream},
                     options.step,
                     Offsets(grid, block),
                     {},
                     {}};
    input.x.resize(input.offsets.size());
    for (int64_t i = 0; i < input.x.size(); ++i) {
      input.x[i] = x[input.offsets[i]];
    }
    input.first_element = options.first_element;
    if (!options.block_scales.empty()) {
      input.given_scale = options.block_scales[b];
    }
    const auto [factors, codes] = QuantizeBlock(input);

    if (recipe.scale_format == ScaleFormat::kFloat32) {
      packed.scales_float32.push_back(factors.stored);
    } else {
      packed.scales.push_back(factors.code);
    }
    for (size_t i = 0; i < codes.size(); ++i) {
      const int64_t at = input.offsets[i];
      packed.codes[at / 2] |= codes[i] << (4 * (at % 2));
      result.values[at] = DecodeE2m1(codes[i]) * factors.dequantize;
      result.operand[at] = DecodeE2m1(codes[i]) * factors.stored;
    }
  }
  return result;
}

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y) {
  const FloatEnvironment environment;
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
