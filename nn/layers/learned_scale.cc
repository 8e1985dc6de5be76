#include "nn/layers/learned_scale.h"

#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "nn/gemm/tensor_span.h"
#include "quant/block_grid.h"
#include "quant/formats/e4m3.h"
#include "quant/scale_gradient.h"

namespace cnn_fp4::nn {
namespace {

constexpr double kE2m1Max = 6;

bool OfTensor(const OperandFormat& format) {
  return format.blocking == Blocking::kFlattened;
}

// Output channels first. Transposed kernels are [groups * Cin', Cout', kh, kw].
at::Tensor OutputChannelsFirst(const at::Tensor& weight,
                               const ConvGeometry& geometry) {
  if (!geometry.transposed) return weight;
  return weight.unflatten(0, {geometry.groups, -1}).transpose(1, 2);
}

// The elements of each scale as a row, on the CPU.
at::Tensor ToRows(const at::Tensor& weight, const ConvGeometry& geometry,
                  int64_t count) {
  return OutputChannelsFirst(weight.detach().cpu(), geometry)
      .reshape({count, -1})
      .contiguous();
}

at::Tensor FromRows(const at::Tensor& rows, const at::Tensor& weight,
                    const ConvGeometry& geometry) {
  const at::Tensor first =
      rows.view(OutputChannelsFirst(weight, geometry).sizes());
  return (geometry.transposed ? first.transpose(1, 2).flatten(0, 1) : first)
      .contiguous()
      .to(weight.device());
}

// What the quantiser is given: scales in units of the tensor scale.
struct StoredScales {
  std::vector<float> units;
  float tensor_scale = 1;
  std::optional<float> tensor_amax;
};

StoredScales Stored(const at::Tensor& scale, const quant::Recipe& recipe) {
  const at::Tensor on_cpu = scale.detach().cpu().contiguous();
  StoredScales stored;
  if (recipe.tensor_scale == quant::TensorScale::kPerTensor) {
    const auto largest = on_cpu.max().item<float>();
    stored.tensor_scale = largest / recipe.scale_max;
    stored.tensor_amax = static_cast<float>(kE2m1Max) * largest;
  }
  for (const float value : Values(on_cpu)) {
    stored.units.push_back(value / stored.tensor_scale);
  }
  return stored;
}

// Those that the quantiser rounds them to.
std::vector<float> Rounded(std::vector<float> units,
                           const quant::Recipe& recipe) {
  if (recipe.scale_format == quant::ScaleFormat::kE4m3) {
    for (float& unit : units) {
      unit = quant::DecodeE4m3(quant::EncodeE4m3(unit));
    }
  }
  return units;
}

// One block a row.
quant::Recipe RecipeOfRows(const OperandFormat& format) {
  quant::Recipe recipe = *format.recipe();
  recipe.block_cols = 0;
  return recipe;
}

absl::Status CheckPositive(const at::Tensor& parameter, const char* what) {
  // NaN compares as false.
  if (parameter.detach()
          .gt(0)
          .logical_and(parameter.isfinite())
          .all()
          .item<bool>()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the learnt ", what, " is ", parameter.detach().min().item<float>(),
      "; it has to stay positive and finite, so take a lower learning rate"));
}

float InitialScale(const at::Tensor& values) {
  return static_cast<float>(2 * values.detach().abs().mean().item<double>() /
                            std::sqrt(kE2m1Max));
}

// A tensor of zeros has no scale; any will do.
float OrOne(float value) { return value > 0 ? value : 1.0f; }

}  // namespace

int64_t NumWeightScales(const at::Tensor& weight, const ConvGeometry& geometry,
                        const OperandFormat& format) {
  if (OfTensor(format)) return 1;
  return geometry.transposed ? weight.size(1) * geometry.groups
                             : weight.size(0);
}

void InitializeWeightScale(const at::Tensor& weight,
                           const ConvGeometry& geometry,
                           at::Tensor log2_scale) {
  const torch::NoGradGuard no_grad;
  if (log2_scale.ne(0).any().item<bool>()) return;
  const at::Tensor rows = ToRows(weight, geometry, log2_scale.numel());
  for (int64_t i = 0; i < log2_scale.numel(); ++i) {
    log2_scale[i] = std::log2(OrOne(InitialScale(rows[i])));
  }
}

at::Tensor WeightScale(const at::Tensor& log2_scale) {
  // In FP64, whose last place does not reach FP32's: the same bits everywhere.
  return log2_scale.detach().to(at::kDouble).exp2().to(at::kFloat);
}

void InitializeClip(const at::Tensor& x, at::Tensor clip) {
  const torch::NoGradGuard no_grad;
  if (clip.ne(0).any().item<bool>()) return;
  clip.fill_(OrOne(static_cast<float>(kE2m1Max) * InitialScale(x)));
}

absl::StatusOr<GemmOperand> QuantizeWithScale(
    const at::Tensor& weight, const at::Tensor& log2_scale,
    const ConvGeometry& geometry, const OperandFormat& format,
    std::optional<QuantizedOperand>* taken_apart) {
  const at::Tensor scale = WeightScale(log2_scale);
  if (absl::Status status = CheckPositive(scale, "scale of a weight");
      !status.ok()) {
    return status;
  }
  const at::Tensor rows = ToRows(weight, geometry, scale.numel());
  OperandFormat of_rows = format;
  of_rows.format = RecipeOfRows(format);
  const absl::StatusOr<quant::BlockGrid> grid =
      quant::BlockGrid::Along(rows.sizes(), 1, *of_rows.recipe());
  if (!grid.ok()) return grid.status();
  const StoredScales stored = Stored(scale, *of_rows.recipe());
  quant::QuantizeOptions options;
  options.tensor_amax = stored.tensor_amax;
  options.block_scales = stored.units;
  absl::StatusOr<GemmOperand> made =
      QuantizeOnGrid(rows, of_rows, *grid, options, taken_apart);
  if (!made.ok()) return made.status();
  made->values = FromRows(made->values, weight, geometry);
  made->scale = made->scale.to(weight.device());
  return made;
}

WeightGradients BackwardWithScale(const at::Tensor& weight,
                                  const at::Tensor& log2_scale,
                                  const GemmOperand& operand,
                                  const ConvGeometry& geometry,
                                  const OperandFormat& format,
                                  const at::Tensor& gradient) {
  const at::Tensor scale = WeightScale(log2_scale).cpu();
  const int64_t count = scale.numel();
  const quant::Recipe recipe = RecipeOfRows(format);
  const at::Tensor x = ToRows(weight, geometry, count);
  const at::Tensor values = ToRows(operand.values, geometry, count);
  const std::vector<float> stored =
      Rounded(Stored(scale, recipe).units, recipe);
  at::Tensor rows = ToRows(gradient, geometry, count).clone();
  at::Tensor of_scale = at::empty({count});
  const absl::Status status = quant::ScaleGradient(
      {Values(x), Values(values), stored, operand.scale.item<float>()},
      Values(rows), MutableValues(rows), MutableValues(of_scale));
  CHECK(status.ok()) << status;
  // Esser et al., section 2.2.
  of_scale.div_(
      std::sqrt(kE2m1Max * static_cast<double>(weight.numel() / count)));
  // Of 2^x.
  of_scale.mul_(scale.view({count})).mul_(std::log(2.0));
  return {FromRows(rows, weight, geometry),
          of_scale.view(log2_scale.sizes()).to(log2_scale.device())};
}

at::Tensor Clip(const at::Tensor& x, const at::Tensor& clip) {
  const auto alpha = clip.item<float>();
  return x.detach().clamp(-alpha, alpha);
}

absl::StatusOr<GemmOperand> QuantizeClipped(
    const at::Tensor& x, const at::Tensor& clip, const ConvGeometry& geometry,
    const OperandFormat& format, std::optional<QuantizedOperand>* taken_apart) {
  if (absl::Status status = CheckPositive(clip, "clipping value");
      !status.ok()) {
    return status;
  }
  const auto alpha = clip.item<float>();
  quant::QuantizeOptions options;
  const float scale = alpha / static_cast<float>(kE2m1Max);
  if (format.recipe()->tensor_scale == quant::TensorScale::kPerTensor) {
    options.tensor_amax = alpha;
  } else if (OfTensor(format)) {
    options.block_scales = absl::MakeConstSpan(&scale, 1);
  }
  return MakeGemmOperand(Clip(x, clip), Operand::kFpropX, geometry, format,
                         options, taken_apart);
}

ClipGradients BackwardClipped(const at::Tensor& x, const at::Tensor& clip,
                              const at::Tensor& gradient) {
  const auto alpha = clip.item<float>();
  const at::Tensor inside = x.detach().abs().le(alpha);
  const at::Tensor beyond =
      (gradient * x.detach().sign()).masked_fill(inside, 0);
  return {gradient.masked_fill(inside.logical_not(), 0),
          beyond.sum(at::kDouble).to(at::kFloat).view(clip.sizes())};
}

}  // namespace cnn_fp4::nn
