#include "train/layer_probe.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "nn/gemm_operand.h"
#include "quant/formats/e2m1.h"
#include "quant/quantizer.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::train {
namespace {

// Activations are NCHW; every GEMM that reads them sums over channels.
constexpr int kChannelAxis = 1;

absl::Span<const float> Values(const at::Tensor& cpu_contiguous) {
  return absl::MakeConstSpan(cpu_contiguous.const_data_ptr<float>(),
                             cpu_contiguous.numel());
}

}  // namespace

LayerProbe::LayerProbe(nn::UNet& net, StatisticsHistory& history)
    : net_(net), history_(history) {}

void LayerProbe::Put(TensorKind kind, const char* key, size_t layer,
                     double value) {
  history_.Set(kind, key, step_, layer, value);
  scalars_.push_back({absl::StrCat(key, "/", TensorKindName(kind), "/",
                                   net_.layers()[layer].spec->layer),
                      value});
}

void LayerProbe::PutValues(TensorKind kind, size_t layer,
                           absl::Span<const float> values) {
  const telemetry::TensorStats stats = telemetry::ComputeTensorStats(values);
  Put(kind, "mean", layer, stats.mean);
  Put(kind, "std", layer, stats.std());
  Put(kind, "kurtosis", layer, stats.kurtosis());
  Put(kind, "amax", layer, stats.amax());
  if (stats.nonfinite_count() > 0) {
    Put(kind, "nonfinite", layer, static_cast<double>(stats.nonfinite_count()));
  }
}

void LayerProbe::Begin(int64_t step) {
  step_ = step;
  scalars_.clear();
  activation_status_ = absl::OkStatus();
  net_.SetInputObserver([this](size_t layer, const at::Tensor& x) {
    const nn::ConvPrecision& precision = net_.layers()[layer].spec->precision;
    activation_status_.Update(Measure(TensorKind::kActivations, layer, x,
                                      precision.fprop_x, kChannelAxis));
  });
}

void LayerProbe::PutDistortion(TensorKind kind, size_t layer,
                               const quant::DistortionStats& stats) {
  Put(kind, "sqnr_db", layer, stats.SqnrDb());
  Put(kind, "underflow_pct", layer, 100 * stats.UnderflowShare());
  Put(kind, "saturation_pct", layer, 100 * stats.SaturationShare());
  Put(kind, "codes_used", layer, stats.CodesUsed());
  Put(kind, "entropy_bits", layer, stats.EntropyBits());
}

absl::Status LayerProbe::Measure(TensorKind kind, size_t layer,
                                 const at::Tensor& tensor,
                                 const nn::OperandFormat& format,
                                 int reduction_axis) {
  const at::Tensor source = tensor.detach().cpu().contiguous();
  const absl::Span<const float> x = Values(source);
  PutValues(kind, layer, x);
  if (format.recipe() == nullptr) return absl::OkStatus();

  const absl::StatusOr<quant::BlockGrid> grid =
      nn::OperandGrid(source.sizes(), format, {reduction_axis});
  if (!grid.ok()) return grid.status();
  quant::QuantizeOptions options;
  // A gradient that overflowed FP16 is a number to show, not an error.
  options.nonfinite = quant::NonFinitePolicy::kSaturate;
  const absl::StatusOr<quant::PackedTensor> packed =
      quant::Quantize(*format.recipe(), *grid, x, options);
  if (!packed.ok()) return packed.status();
  std::vector<float> y(x.size());
  absl::Status status = quant::Dequantize(*packed, absl::MakeSpan(y));
  if (!status.ok()) return status;
  std::vector<uint8_t> codes(x.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = quant::CodeAt(*packed, static_cast<int64_t>(i));
  }
  quant::DistortionStats stats;
  if (status = stats.Add(x, y, codes); !status.ok()) return status;

  if (kind != TensorKind::kWeightsPrequantize) {
    PutDistortion(kind, layer, stats);
    return absl::OkStatus();
  }
  // Weights are shown at each point of the pipeline.
  std::vector<float> encoded(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    encoded[i] = quant::DecodeE2m1(codes[i]);
  }
  PutValues(TensorKind::kWeightsQuantized, layer, encoded);
  PutDistortion(TensorKind::kWeightsQuantized, layer, stats);
  PutValues(TensorKind::kWeightsDequantized, layer, y);
  Put(TensorKind::kWeightsDequantized, "sqnr_db", layer, stats.SqnrDb());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<telemetry::NamedNumber>> LayerProbe::End() {
  net_.SetInputObserver(nullptr);
  if (!activation_status_.ok()) return activation_status_;
  for (size_t layer = 0; layer < net_.layers().size(); ++layer) {
    const nn::QuantizedLayer& l = net_.layers()[layer];
    const nn::OperandFormat& format = l.spec->precision.fprop_w;
    const int axis = nn::FpropWeightAxis(l.spec->geometry);
    absl::Status status = Measure(TensorKind::kWeightsPrequantize, layer,
                                  *l.weight, format, axis);
    status.Update(
        Measure(TensorKind::kGradients, layer, l.weight->grad(), format, axis));
    if (!status.ok()) return status;
  }
  return std::move(scalars_);
}

}  // namespace cnn_fp4::train
