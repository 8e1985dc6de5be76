#ifndef TRAIN_LAYER_PROBE_H_
#define TRAIN_LAYER_PROBE_H_

// Measures every layer but the output layer during one training step: weights
// before, in and after quantisation, the activations that enter it, and the
// gradient of its weights.
//
// Weights and activations are the operands that the forward pass multiplied, as
// an observer sees them. The gradient of a weight is no operand of any GEMM:
// its FP4 statistics say what quantising it would do, with the recipe and the
// blocks of the layer's weight.
//
//   LayerProbe probe(net, context);
//   probe.Begin(step);
//   net.forward(images); loss.backward();   // gradients unscaled
//   for (telemetry::Payload& measured : *probe.End()) run.Log({measured, arm});

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nn/gemm/quant_context.h"
#include "nn/layers/quantize.h"
#include "telemetry/record.h"

namespace cnn_fp4::nn {
class Net;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

class LayerProbe : private nn::GemmObserver {
 public:
  // Both must outlive the probe; the net is under a policy with this context.
  LayerProbe(nn::Net& net, nn::QuantContext& context);

  // Watches the following calls of net.forward.
  void Begin(int64_t step);

  // Measures gradients, stops watching, and returns what was measured: a
  // LayerStats for each tensor, followed by its histograms; each kind of tensor
  // in the order of the net. An error of a quantiser names the layer.
  absl::StatusOr<std::vector<telemetry::Payload>> End();

 private:
  void OnOperand(const nn::GemmSite& site, const at::Tensor& source,
                 const nn::GemmOperand& operand,
                 const nn::QuantizedOperand* taken_apart) override;
  void AddHistogram(telemetry::TensorKind kind, const std::string& layer,
                    absl::FunctionRef<void(telemetry::LayerHistogram*)> count);
  absl::Status Measure(telemetry::TensorKind kind, const std::string& layer,
                       const at::Tensor& source,
                       const nn::QuantizedOperand* quantized);
  absl::Status MeasureGradient(const nn::NamedLayer& layer);

  nn::QuantContext& context_;
  std::vector<nn::NamedLayer> layers_;  // All but the output layer.
  std::set<std::string> names_;
  int64_t step_ = 0;
  std::optional<nn::ObserverScope> watching_;
  absl::Status status_;
  std::vector<telemetry::Payload> measured_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_LAYER_PROBE_H_
