#ifndef TRAIN_LAYER_PROBE_H_
#define TRAIN_LAYER_PROBE_H_

// Measures every policy layer during one training step: weights before, in and
// after quantisation, the activations that enter it, and the gradient of its
// weights. For gradients, which the straight-through policies leave in FP32,
// the FP4 statistics say what quantising them would do: with the layer's weight
// recipe, along the same axis.
//
//   probe.Begin(step);
//   net.Forward(images); loss.backward();   // gradients unscaled
//   for (telemetry::LayerStats& stats : *probe.End()) {
//     run.Log({std::move(stats), model});
//   }

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nn/unet.h"
#include "quant/distortion.h"
#include "telemetry/record.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::train {

class LayerProbe {
 public:
  // The net must outlive the probe.
  explicit LayerProbe(nn::UNet& net) : net_(net) {}

  // Watches the activations of the following calls of net.Forward.
  void Begin(int64_t step);

  // Measures weights and gradients, stops watching, and returns everything: for
  // each kind of tensor the layers in the order of the net. An error of a
  // quantiser names the layer.
  absl::StatusOr<std::vector<telemetry::LayerStats>> End();

 private:
  // Of the tensor's values and, if `format` is an FP4 recipe, of quantising it.
  // For kWeightsPrequantize, the two later points of the pipeline, too.
  // `reduction_axis` is that of the GEMM which the tensor is an operand of.
  absl::Status Measure(telemetry::TensorKind kind, size_t layer,
                       const at::Tensor& tensor,
                       const nn::OperandFormat& format, int reduction_axis);
  // A new record with the statistics of the values.
  telemetry::LayerStats& Put(telemetry::TensorKind kind, size_t layer,
                             absl::Span<const float> values);

  nn::UNet& net_;
  int64_t step_ = 0;
  absl::Status activation_status_;
  std::vector<telemetry::LayerStats> records_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_LAYER_PROBE_H_
