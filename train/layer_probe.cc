#include "train/layer_probe.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "nn/gemm_operand.h"
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

absl::Status LayerProbe::Measure(TensorKind kind, size_t layer,
                                 const at::Tensor& tensor,
                                 const nn::OperandFormat& format,
                                 int reduction_axis) {
  const at::Tensor source = tensor.detach().cpu().contiguous();
  PutValues(kind, layer, Values(source));
  (void)format;
  (void)reduction_axis;
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
