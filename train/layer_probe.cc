#include "train/layer_probe.h"

#include <torch/torch.h>

#include "nn/gemm_operand.h"
#include "quant/formats/e2m1.h"
#include "quant/quantizer.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::train {
namespace {

using telemetry::LayerStats;
using telemetry::StatId;
using telemetry::TensorKind;

// Activations are NCHW; every GEMM that reads them sums over channels.
constexpr int kChannelAxis = 1;

absl::Span<const float> Values(const at::Tensor& cpu_contiguous) {
  return absl::MakeConstSpan(cpu_contiguous.const_data_ptr<float>(),
                             cpu_contiguous.numel());
}

void AddDistortion(const quant::DistortionStats& distortion,
                   LayerStats& stats) {
  stats.values.insert(
      stats.values.end(),
      {{StatId::kSqnrDb, distortion.SqnrDb()},
       {StatId::kUnderflowPct, 100 * distortion.UnderflowShare()},
       {StatId::kSaturationPct, 100 * distortion.SaturationShare()},
       {StatId::kCodesUsed, distortion.CodesUsed()},
       {StatId::kEntropyBits, distortion.EntropyBits()}});
}

}  // namespace

LayerStats& LayerProbe::Put(TensorKind kind, size_t layer,
                            absl::Span<const float> values) {
  const telemetry::TensorStats stats = telemetry::ComputeTensorStats(values);
  records_.push_back({step_,
                      kind,
                      net_.layers()[layer].spec->layer,
                      {{StatId::kMean, stats.mean},
                       {StatId::kStd, stats.std()},
                       {StatId::kKurtosis, stats.kurtosis()},
                       {StatId::kAmax, stats.amax()}}});
  if (stats.nonfinite_count() > 0) {
    records_.back().values.push_back(
        {StatId::kNonfinite, static_cast<double>(stats.nonfinite_count())});
  }
  return records_.back();
}

void LayerProbe::Begin(int64_t step) {
  step_ = step;
  records_.clear();
  activation_status_ = absl::OkStatus();
  net_.SetInputObserver([this](size_t layer, const at::Tensor& x) {
    const nn::ConvPrecision& precision = net_.layers()[layer].spec->precision;
    activation_status_.Update(Measure(TensorKind::kActivations, layer, x,
                                      precision.fprop_x, kChannelAxis));
  });
}

absl::Status LayerProbe::Measure(TensorKind kind, size_t layer,
                                 const at::Tensor& tensor,
                                 const nn::OperandFormat& format,
                                 int reduction_axis) {
  const at::Tensor source = tensor.detach().cpu().contiguous();
  const absl::Span<const float> x = Values(source);
  Put(kind, layer, x);
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
    AddDistortion(stats, records_.back());
    return absl::OkStatus();
  }
  // Weights are shown at each point of the pipeline.
  std::vector<float> encoded(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    encoded[i] = quant::DecodeE2m1(codes[i]);
  }
  AddDistortion(stats, Put(TensorKind::kWeightsQuantized, layer, encoded));
  Put(TensorKind::kWeightsDequantized, layer, y)
      .values.push_back({StatId::kSqnrDb, stats.SqnrDb()});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LayerStats>> LayerProbe::End() {
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
  return std::move(records_);
}

}  // namespace cnn_fp4::train
