#include "quant/quantizer.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/amax.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/job.h"
#include "quant/cpu/parallel.h"
#include "quant/cpu/unpack.h"
#include "quant/guarded_call.h"
#include "quant/quantize_checks.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

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
  cpu::Job job = cpu::MakeJob(recipe, grid, x, options);
  job.params.operand = operand;
  job.output.values = y.data();
  job.output.stream =
      cpu::ShouldStream(x.size() * sizeof(float), y.size() * sizeof(float)) &&
      x.data() != y.data();
  status = FindTensorFactors(job);
  if (status.ok()) status = RunJob(job);
  if (!status.ok()) return status;
  return job.params.tensor;
}

absl::Status CheckUnpacked(const PackedTensor& packed, absl::Span<float> y) {
  absl::Status status = ValidatePackedTensor(packed);
  if (status.ok() && static_cast<int64_t>(y.size()) != packed.grid.size()) {
    status = absl::InvalidArgumentError(
        "the output does not have the packed tensor's size");
  }
  return status;
}

}  // namespace

absl::StatusOr<float> Amax(absl::Span<const float> x) {
  const Recipe one_scale;
  const auto grid = BlockGrid::Flat(x.size(), one_scale);
  if (!grid.ok()) return grid.status();
  return ScaleAmax(one_scale, *grid, x);
}

absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options) {
  return Guarded([&]() -> absl::StatusOr<float> {
    absl::Status status =
        CheckQuantizeArguments(recipe, grid, x.size(), options);
    if (!status.ok()) return status;
    if (recipe.tensor_scale != TensorScale::kPerTensor) {
      return absl::InvalidArgumentError(absl::StrCat(
          "recipe '", recipe.name, "' has no scale of the whole tensor"));
    }
    cpu::Job job = cpu::MakeJob(recipe, grid, x, options);
    status = FindTensorFactors(job);
    if (!status.ok()) return status;
    return job.params.tensor.amax;
  });
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options) {
  return Guarded([&] {
    return RunValues(recipe, grid, x, y, options, /*operand=*/false).status();
  });
}

absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options) {
  return Guarded([&]() -> absl::StatusOr<float> {
    absl::Status status = CheckOneTensorScale(recipe);
    if (!status.ok()) return status;
    const absl::StatusOr<TensorFactors> tensor =
        RunValues(recipe, grid, x, y, options, /*operand=*/true);
    if (!tensor.ok()) return tensor.status();
    return OperandScale(recipe.scale_rule, tensor->decode);
  });
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

absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, PackedTensor* out,
                          const QuantizeOptions& options) {
  return Guarded([&] {
    absl::Status status =
        CheckQuantizeArguments(recipe, grid, x.size(), options);
    if (!status.ok()) return status;
    cpu::Job job = cpu::MakeJob(recipe, grid, x, options);
    return RunPackedJob(job, out);
  });
}

absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y) {
  return Guarded([&] {
    const absl::Status status = CheckUnpacked(packed, y);
    if (status.ok()) cpu::Unpack(packed, /*operand=*/false, y);
    return status;
  });
}

absl::StatusOr<float> OperandValues(const PackedTensor& packed,
                                    absl::Span<float> y) {
  return Guarded([&]() -> absl::StatusOr<float> {
    absl::Status status = CheckOneTensorScale(packed.recipe);
    status.Update(CheckUnpacked(packed, y));
    if (!status.ok()) return status;
    cpu::Unpack(packed, /*operand=*/true, y);
    return OperandScale(packed.recipe.scale_rule, packed.tensor_scales.front());
  });
}

}  // namespace cnn_fp4::quant
