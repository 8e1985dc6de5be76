#include "train/layer_probe.h"

#include <torch/torch.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "nn/gemm/tensor_span.h"
#include "nn/layers/learned_scale.h"
#include "nn/layers/quant_conv.h"
#include "nn/net.h"
#include "quant/block_stats.h"
#include "quant/distortion.h"
#include "quant/quantizer.h"
#include "telemetry/weight_sample.h"
#include "train/named_numbers.h"
#include "train/operand_rows.h"

namespace cnn_fp4::train {
namespace {

using telemetry::HistogramOf;
using telemetry::LayerStats;
using telemetry::StatId;
using telemetry::TensorKind;

using nn::Values;

// nullopt: scales that are no codes.
std::optional<HistogramOf> ScalesOf(quant::ScaleFormat format) {
  switch (format) {
    case quant::ScaleFormat::kE4m3:
      return HistogramOf::kE4m3Scales;
    case quant::ScaleFormat::kE8m0:
      return HistogramOf::kE8m0Scales;
    case quant::ScaleFormat::kFloat32:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

LayerProbe::LayerProbe(nn::Net& net, nn::QuantContext& context,
                       std::vector<quant::Recipe> what_if)
    : context_(context), what_if_(std::move(what_if)) {
  for (nn::NamedLayer& layer : nn::QuantLayers(net)) {
    if (layer.info.role == nn::LayerRole::kOutput) continue;
    by_name_[layer.info.name] = layers_.size();
    layers_.push_back(std::move(layer));
  }
}

void LayerProbe::Begin(int64_t step, bool sample_weights) {
  step_ = step;
  sample_weights_ = sample_weights;
  measured_.clear();
  backward_.clear();
  status_ = absl::OkStatus();
  watching_.emplace(context_, static_cast<nn::GemmObserver&>(*this));
}

void LayerProbe::OnOperand(const nn::GemmSite& site, const at::Tensor& source,
                           const nn::GemmOperand& /*operand*/,
                           const nn::QuantizedOperand* taken_apart) {
  const auto layer = by_name_.find(site.layer);
  if (layer == by_name_.end()) return;
  const nn::NamedLayer& named = layers_[layer->second];
  if (site.operand == nn::Operand::kFpropX) {
    status_.Update(
        Measure(TensorKind::kActivations, site.layer, source, taken_apart));
    status_.Update(
        MeasureWhatIf(TensorKind::kActivations, named, site.operand, source));
  } else if (site.operand == nn::Operand::kFpropW) {
    status_.Update(Measure(TensorKind::kWeightsPrequantize, site.layer, source,
                           taken_apart));
    status_.Update(MeasureWhatIf(TensorKind::kWeightsQuantized, named,
                                 site.operand, source));
  } else if (site.operand == nn::Operand::kDgradDy) {
    std::vector<telemetry::Payload> before = std::exchange(measured_, {});
    status_.Update(
        Measure(TensorKind::kOutputGradients, site.layer, source, taken_apart));
    backward_.push_back(std::exchange(measured_, std::move(before)));
  } else if (taken_apart != nullptr) {
    // Otherwise wgrad multiplies what was measured as an operand of fprop or
    // dgrad, rounded to a plain format.
    const bool x = site.operand == nn::Operand::kWgradX;
    if (!x && site.operand != nn::Operand::kWgradDy) return;
    std::vector<telemetry::Payload> before = std::exchange(measured_, {});
    status_.Update(MeasureWgrad(
        x ? TensorKind::kWgradActivations : TensorKind::kWgradOutputGradients,
        site.layer, *taken_apart));
    backward_.push_back(std::exchange(measured_, std::move(before)));
  }
}

absl::Status LayerProbe::MeasureWgrad(TensorKind kind, const std::string& layer,
                                      const nn::QuantizedOperand& quantized) {
  const absl::StatusOr<nn::QuantizedOperand> rows = OperandRows(quantized);
  if (!rows.ok()) return rows.status();
  OperandNumbers numbers;
  if (absl::Status status =
          MeasureOperand(kind, Values(rows->source), *rows, /*slices=*/0,
                         &dequantized_, &numbers);
      !status.ok()) {
    return status;
  }
  LayerStats stats{step_, kind, layer, {}};
  AddMoments(numbers.raw.stats, &stats);
  AddNonfinite(numbers.raw.stats, &stats);
  AddDistortion(numbers.distortion, numbers.centered, &stats);
  AddBlocks(numbers.blocks, &stats);
  measured_.push_back(std::move(stats));
  AddExponents(kind, layer, numbers.raw.exponents);
  AddCodesAndScales(kind, layer, numbers, rows->packed);
  return absl::OkStatus();
}

void LayerProbe::AddHistogram(
    TensorKind kind, const std::string& layer,
    absl::FunctionRef<void(telemetry::LayerHistogram*)> count) {
  telemetry::LayerHistogram histogram;
  histogram.step = step_;
  histogram.tensor = kind;
  histogram.layer = layer;
  count(&histogram);
  measured_.push_back(std::move(histogram));
}

void LayerProbe::AddExponents(TensorKind kind, const std::string& layer,
                              const telemetry::LayerHistogram& exponents) {
  AddHistogram(kind, layer, [&](telemetry::LayerHistogram* histogram) {
    histogram->of = exponents.of;
    histogram->first = exponents.first;
    histogram->counts = exponents.counts;
    histogram->zeros = exponents.zeros;
    histogram->nonfinite = exponents.nonfinite;
  });
}

void LayerProbe::AddCodesAndScales(TensorKind kind, const std::string& layer,
                                   const OperandNumbers& numbers,
                                   const quant::PackedTensor& packed) {
  AddHistogram(kind, layer, [&](telemetry::LayerHistogram* histogram) {
    histogram->of = HistogramOf::kCodes;
    histogram->counts.assign(numbers.code_counts.begin(),
                             numbers.code_counts.end());
  });
  const std::optional<HistogramOf> scales =
      ScalesOf(packed.recipe.scale_format);
  if (!scales.has_value()) return;
  AddHistogram(kind, layer, [&](telemetry::LayerHistogram* histogram) {
    telemetry::CountScales(*scales, packed.scales, histogram);
  });
}

absl::Status LayerProbe::Measure(TensorKind kind, const std::string& layer,
                                 const at::Tensor& source,
                                 const nn::QuantizedOperand* quantized) {
  LayerStats stats{step_, kind, layer, {}};
  const at::Tensor x = source.detach().cpu().contiguous();
  if (quantized == nullptr) {
    const ValueNumbers raw = MeasureValues(kind, Values(x));
    AddRawValues(raw.stats, raw.quantiles, &stats);
    measured_.push_back(std::move(stats));
    AddExponents(kind, layer, raw.exponents);
    return absl::OkStatus();
  }
  OperandNumbers numbers;
  // Slices are the images of a batch, the filters of a weight.
  if (absl::Status status = MeasureOperand(kind, Values(x), *quantized,
                                           x.size(0), &dequantized_, &numbers);
      !status.ok()) {
    return status;
  }
  const ValueNumbers& raw = numbers.raw;
  AddRawValues(raw.stats, raw.quantiles, &stats);
  if (kind == TensorKind::kWeightsPrequantize) {
    measured_.push_back(std::move(stats));
    AddExponents(kind, layer, raw.exponents);
    return MeasureWeightPipeline(layer, numbers, *quantized);
  }
  AddDistortion(numbers.distortion, numbers.centered, &stats);
  AddBlocks(numbers.blocks, &stats);
  AddLearnedScale(kind, layer, &stats);
  measured_.push_back(std::move(stats));
  AddExponents(kind, layer, raw.exponents);
  AddCodesAndScales(kind, layer, numbers, quantized->packed);
  return absl::OkStatus();
}

// Weights are shown at each point of the pipeline.
absl::Status LayerProbe::MeasureWeightPipeline(
    const std::string& layer, const OperandNumbers& numbers,
    const nn::QuantizedOperand& quantized) {
  LayerStats encoded{step_, TensorKind::kWeightsQuantized, layer, {}};
  AddMoments(StatsOfCodes(numbers.code_counts), &encoded);
  AddDistortion(numbers.distortion, numbers.centered, &encoded);
  AddBlocks(numbers.blocks, &encoded);
  if (const auto flipped = FlippedShare(layer, quantized.packed)) {
    encoded.values.emplace_back(StatId::kCodesFlippedPct, 100 * *flipped);
  }
  AddLearnedScale(TensorKind::kWeightsPrequantize, layer, &encoded);
  measured_.push_back(std::move(encoded));
  AddCodesAndScales(TensorKind::kWeightsQuantized, layer, numbers,
                    quantized.packed);
  const ValueNumbers values =
      MeasureValues(TensorKind::kWeightsDequantized, dequantized_);
  LayerStats dequantized{step_, TensorKind::kWeightsDequantized, layer, {}};
  AddMoments(values.stats, &dequantized);
  AddNonfinite(values.stats, &dequantized);
  dequantized.values.emplace_back(StatId::kSqnrDb, numbers.distortion.SqnrDb());
  measured_.push_back(std::move(dequantized));
  AddExponents(TensorKind::kWeightsDequantized, layer, values.exponents);
  return sample_weights_ ? SampleWeight(layer, quantized) : absl::OkStatus();
}

absl::Status LayerProbe::SampleWeight(const std::string& layer,
                                      const nn::QuantizedOperand& quantized) {
  std::vector<uint8_t> codes(quantized.source.numel());
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = quant::CodeAt(quantized.packed, static_cast<int64_t>(i));
  }
  std::vector<float> scales(codes.size());
  if (absl::Status status =
          quant::ElementScales(quantized.packed, absl::MakeSpan(scales));
      !status.ok()) {
    return status;
  }
  measured_.push_back(
      telemetry::SampleWeight(step_, layer, quantized.source.size(0),
                              {Values(quantized.source), codes, scales}));
  return absl::OkStatus();
}

void LayerProbe::AddLearnedScale(TensorKind kind, const std::string& layer,
                                 LayerStats* out) const {
  const nn::LearnedScales& learned =
      layers_[by_name_.at(layer)].layer->learned_scales();
  at::Tensor learnt;
  if (kind == TensorKind::kWeightsPrequantize &&
      learned.log2_weight_scale.defined()) {
    learnt = nn::WeightScale(learned.log2_weight_scale);
  } else if (kind == TensorKind::kActivations) {
    learnt = learned.x_clip;
  }
  if (!learnt.defined()) return;
  out->values.emplace_back(StatId::kLearnedScale,
                           learnt.detach().mean().item<double>());
}

std::optional<double> LayerProbe::FlippedShare(
    const std::string& layer, const quant::PackedTensor& packed) {
  std::vector<uint8_t>& last = last_codes_[layer];
  std::optional<double> share;
  if (last.size() == packed.codes.size() && !last.empty()) {
    int64_t flipped = 0;
    // Two codes a byte. +0 and -0, codes 0 and 8, are one value.
    const auto differ = [](int a, int b) {
      return a != b && ((a | b) & 7) != 0;
    };
    for (size_t i = 0; i < last.size(); ++i) {
      const int a = last[i], b = packed.codes[i];
      if (a == b) continue;
      flipped += differ(a & 15, b & 15) + differ(a >> 4, b >> 4);
    }
    share =
        static_cast<double>(flipped) / static_cast<double>(packed.grid.size());
  }
  last = packed.codes;
  return share;
}

absl::Status LayerProbe::MeasureWhatIf(TensorKind kind,
                                       const nn::NamedLayer& layer,
                                       nn::Operand operand,
                                       const at::Tensor& source) {
  quant::QuantizeOptions options;
  options.nonfinite = quant::NonFinitePolicy::kSaturate;
  for (const quant::Recipe& recipe : what_if_) {
    const absl::StatusOr<nn::QuantizedOperand> quantized =
        nn::QuantizeOperandTensor(source.detach(), operand,
                                  layer.layer->spec().geometry, {recipe},
                                  options);
    if (!quantized.ok()) {
      return absl::Status(quantized.status().code(),
                          absl::StrCat(layer.info.name, " in ", recipe.name,
                                       ": ", quantized.status().message()));
    }
    quant::DistortionStats distortion;
    if (absl::Status status =
            MeasureDistortion(*quantized, &dequantized_, &distortion);
        !status.ok()) {
      return status;
    }
    LayerStats stats{step_, kind, layer.info.name, {}, recipe.name};
    stats.values.emplace_back(StatId::kSqnrDb, distortion.SqnrDb());
    stats.values.emplace_back(StatId::kUnderflowPct,
                              100 * distortion.UnderflowShare());
    measured_.push_back(std::move(stats));
  }
  return absl::OkStatus();
}

absl::Status LayerProbe::MeasureGradient(const nn::NamedLayer& layer) {
  const at::Tensor& gradient = layer.layer->kernel().grad();
  if (!gradient.defined()) return absl::OkStatus();  // The net did not use it.
  if (absl::Status status = MeasureWhatIf(TensorKind::kGradients, layer,
                                          nn::Operand::kFpropW, gradient);
      !status.ok()) {
    return status;
  }
  const nn::ConvSpec& spec = layer.layer->spec();
  const nn::OperandFormat& format = spec.precision.fprop_w;
  if (format.recipe() == nullptr) {
    return Measure(TensorKind::kGradients, layer.info.name, gradient, nullptr);
  }
  quant::QuantizeOptions options;
  // A gradient that overflowed FP16 is a number to show, not an error.
  options.nonfinite = quant::NonFinitePolicy::kSaturate;
  const absl::StatusOr<nn::QuantizedOperand> quantized =
      nn::QuantizeOperandTensor(gradient, nn::Operand::kFpropW, spec.geometry,
                                format, options);
  if (!quantized.ok()) return quantized.status();
  return Measure(TensorKind::kGradients, layer.info.name, gradient,
                 &*quantized);
}

absl::StatusOr<std::vector<telemetry::Payload>> LayerProbe::End() {
  watching_.reset();
  for (auto layer = backward_.rbegin(); layer != backward_.rend(); ++layer) {
    std::move(layer->begin(), layer->end(), std::back_inserter(measured_));
  }
  for (const nn::NamedLayer& layer : layers_) {
    status_.Update(MeasureGradient(layer));
    before_[layer.info.name] = layer.layer->kernel().detach().clone();
  }
  if (!status_.ok()) return status_;
  return std::move(measured_);
}

void LayerProbe::AddUpdates(std::vector<telemetry::Payload>& measured) {
  for (telemetry::Payload& payload : measured) {
    auto* const stats = std::get_if<LayerStats>(&payload);
    if (stats == nullptr || !stats->recipe.empty() ||
        stats->tensor != TensorKind::kWeightsPrequantize) {
      continue;
    }
    const at::Tensor& before = before_.at(stats->layer);
    const double norm = before.norm().item<double>();
    if (norm == 0) continue;
    const at::Tensor now =
        layers_[by_name_.at(stats->layer)].layer->kernel().detach();
    stats->values.emplace_back(StatId::kUpdateRatio,
                               (now - before).norm().item<double>() / norm);
  }
  before_.clear();
}

}  // namespace cnn_fp4::train
