#include "train/layer_probe.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "nn/layers/quant_conv.h"
#include "nn/net.h"
#include "quant/distortion.h"
#include "quant/formats/e2m1.h"
#include "quant/quantizer.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::train {
namespace {

using telemetry::HistogramOf;
using telemetry::LayerStats;
using telemetry::StatId;
using telemetry::TensorKind;

absl::Span<const float> Values(const at::Tensor& cpu_contiguous) {
  return absl::MakeConstSpan(cpu_contiguous.const_data_ptr<float>(),
                             cpu_contiguous.numel());
}

void AddValues(absl::Span<const float> values, LayerStats* out) {
  const telemetry::TensorStats stats = telemetry::ComputeTensorStats(values);
  out->values.emplace_back(StatId::kMean, stats.mean);
  out->values.emplace_back(StatId::kStd, stats.std());
  out->values.emplace_back(StatId::kKurtosis, stats.kurtosis());
  out->values.emplace_back(StatId::kAmax, stats.amax());
  if (stats.nonfinite_count() > 0) {
    out->values.emplace_back(StatId::kNonfinite, stats.nonfinite_count());
  }
}

// `centered`: the lowest SQNR about the mean; NaN: there is none.
void AddDistortion(const quant::DistortionStats& stats, double centered,
                   LayerStats* out) {
  out->values.emplace_back(StatId::kSqnrDb, stats.SqnrDb());
  if (!std::isnan(centered)) {
    out->values.emplace_back(StatId::kSqnrCenteredDb, centered);
  }
  out->values.emplace_back(StatId::kUnderflowPct, 100 * stats.UnderflowShare());
  out->values.emplace_back(StatId::kSaturationPct,
                           100 * stats.SaturationShare());
  out->values.emplace_back(StatId::kCodesUsed, stats.CodesUsed());
  out->values.emplace_back(StatId::kEntropyBits, stats.EntropyBits());
}

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

// The points of a quantised tensor's pipeline.
struct Pipeline {
  std::vector<uint8_t> codes;
  std::vector<float> encoded;      // The values of the codes, -6 .. 6.
  std::vector<float> dequantized;  // What they stand for.
  quant::DistortionStats distortion;
};

absl::StatusOr<Pipeline> Follow(const nn::QuantizedOperand& quantized) {
  const absl::Span<const float> x = Values(quantized.source);
  Pipeline pipeline;
  pipeline.dequantized.resize(x.size());
  absl::Status status =
      quant::Dequantize(quantized.packed, absl::MakeSpan(pipeline.dequantized));
  if (!status.ok()) return status;
  std::vector<uint8_t>& codes = pipeline.codes;
  codes.resize(x.size());
  pipeline.encoded.resize(x.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = quant::CodeAt(quantized.packed, static_cast<int64_t>(i));
    pipeline.encoded[i] = quant::DecodeE2m1(codes[i]);
  }
  status = pipeline.distortion.Add(x, pipeline.dequantized, codes);
  if (!status.ok()) return status;
  return pipeline;
}

}  // namespace

LayerProbe::LayerProbe(nn::Net& net, nn::QuantContext& context)
    : context_(context) {
  for (nn::NamedLayer& layer : nn::QuantLayers(net)) {
    if (layer.info.role == nn::LayerRole::kOutput) continue;
    by_name_[layer.info.name] = layer.layer;
    layers_.push_back(std::move(layer));
  }
}

void LayerProbe::Begin(int64_t step) {
  step_ = step;
  measured_.clear();
  backward_.clear();
  status_ = absl::OkStatus();
  watching_.emplace(context_, static_cast<nn::GemmObserver&>(*this));
}

void LayerProbe::OnOperand(const nn::GemmSite& site, const at::Tensor& source,
                           const nn::GemmOperand& /*operand*/,
                           const nn::QuantizedOperand* taken_apart) {
  if (by_name_.count(site.layer) == 0) return;
  if (site.operand == nn::Operand::kFpropX) {
    status_.Update(
        Measure(TensorKind::kActivations, site.layer, source, taken_apart));
  } else if (site.operand == nn::Operand::kFpropW) {
    status_.Update(Measure(TensorKind::kWeightsPrequantize, site.layer, source,
                           taken_apart));
  } else if (site.operand == nn::Operand::kDgradDy) {
    std::vector<telemetry::Payload> before = std::exchange(measured_, {});
    status_.Update(
        Measure(TensorKind::kOutputGradients, site.layer, source, taken_apart));
    backward_.push_back(std::exchange(measured_, std::move(before)));
  }
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

absl::Status LayerProbe::Measure(TensorKind kind, const std::string& layer,
                                 const at::Tensor& source,
                                 const nn::QuantizedOperand* quantized) {
  const auto exponents = [&](TensorKind of, absl::Span<const float> values) {
    AddHistogram(of, layer, [&](telemetry::LayerHistogram* histogram) {
      telemetry::CountExponents(values, histogram);
    });
  };
  LayerStats stats{step_, kind, layer, {}};
  const at::Tensor x = source.detach().cpu().contiguous();
  AddValues(Values(x), &stats);
  if (quantized == nullptr) {
    measured_.push_back(std::move(stats));
    exponents(kind, Values(x));
    return absl::OkStatus();
  }
  const absl::StatusOr<Pipeline> pipeline = Follow(*quantized);
  if (!pipeline.ok()) return pipeline.status();
  // Of the images of a batch, the filters of a weight.
  const double centered = quant::LowestCenteredSqnrDb(
      Values(quantized->source), pipeline->dequantized, x.size(0));
  const auto codes_and_scales = [&](TensorKind of) {
    AddHistogram(of, layer, [&](telemetry::LayerHistogram* histogram) {
      telemetry::CountCodes(pipeline->codes, histogram);
    });
    const std::optional<HistogramOf> scales =
        ScalesOf(quantized->packed.recipe.scale_format);
    if (!scales.has_value()) return;
    AddHistogram(of, layer, [&](telemetry::LayerHistogram* histogram) {
      telemetry::CountScales(*scales, quantized->packed.scales, histogram);
    });
  };
  if (kind != TensorKind::kWeightsPrequantize) {
    AddDistortion(pipeline->distortion, centered, &stats);
    AddLearnedScale(kind, layer, &stats);
    measured_.push_back(std::move(stats));
    exponents(kind, Values(x));
    codes_and_scales(kind);
    return absl::OkStatus();
  }
  // Weights are shown at each point of the pipeline.
  measured_.push_back(std::move(stats));
  exponents(kind, Values(x));
  LayerStats encoded{step_, TensorKind::kWeightsQuantized, layer, {}};
  AddValues(pipeline->encoded, &encoded);
  AddDistortion(pipeline->distortion, centered, &encoded);
  AddLearnedScale(kind, layer, &encoded);
  measured_.push_back(std::move(encoded));
  codes_and_scales(TensorKind::kWeightsQuantized);
  LayerStats dequantized{step_, TensorKind::kWeightsDequantized, layer, {}};
  AddValues(pipeline->dequantized, &dequantized);
  dequantized.values.emplace_back(StatId::kSqnrDb,
                                  pipeline->distortion.SqnrDb());
  measured_.push_back(std::move(dequantized));
  exponents(TensorKind::kWeightsDequantized, pipeline->dequantized);
  return absl::OkStatus();
}

void LayerProbe::AddLearnedScale(TensorKind kind, const std::string& layer,
                                 LayerStats* out) const {
  const nn::LearnedScales& learned = by_name_.at(layer)->learned_scales();
  const at::Tensor& parameter = kind == TensorKind::kWeightsPrequantize
                                    ? learned.weight_scale
                                    : learned.x_clip;
  const bool has = kind == TensorKind::kWeightsPrequantize ||
                   kind == TensorKind::kActivations;
  if (!has || !parameter.defined()) return;
  out->values.emplace_back(StatId::kLearnedScale,
                           parameter.detach().mean().item<double>());
}

absl::Status LayerProbe::MeasureGradient(const nn::NamedLayer& layer) {
  const at::Tensor& gradient = layer.layer->kernel().grad();
  if (!gradient.defined()) return absl::OkStatus();  // The net did not use it.
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
  }
  if (!status_.ok()) return status_;
  return std::move(measured_);
}

}  // namespace cnn_fp4::train
