#ifndef TRAIN_LAYER_PROBE_H_
#define TRAIN_LAYER_PROBE_H_

// Measures every layer but the output layer during one training step: weights
// before, in and after quantisation, the activations that enter it, the
// gradient of its outputs and that of its weights; and activations and gradient
// of the outputs once more as operands of wgrad, where these have a
// quantisation of their own.
//
// Weights, activations and the gradient of the outputs are the operands that
// fprop and dgrad multiplied, as an observer sees them: dy is still times the
// loss scale. The first layer has no dgrad, nor has one in FP32 throughout,
// which LibTorch computes by itself. The gradient of a weight is no operand of
// any GEMM: its FP4 statistics say what quantising it would do, with the recipe
// and the blocks of the layer's weight.
//
// The operands of wgrad are measured as they are quantised: rotated where the
// policy rotates them, with the copies and the padding that windows and im2col
// bring (nn/gemm/wgrad_operand.h), and of large ones some rows
// (train/operand_rows.h).
//
//   LayerProbe probe(net, context, {});
//   probe.Begin(step);
//   net.forward(images); loss.backward();   // gradients unscaled
//   auto measured = probe.End();
//   optimiser.step(); probe.AddUpdates(*measured);
//   for (telemetry::Payload& payload : *measured) run.Log({payload, arm});
//
// A recipe that is not in use can be asked for: what it would do to the same
// weights, activations and gradients, with the blocks of the GEMM of fprop,
// along the axis that it sums over.

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nn/gemm/quant_context.h"
#include "nn/layers/quantize.h"
#include "quant/recipe.h"
#include "telemetry/record.h"
#include "train/operand_numbers.h"

namespace cnn_fp4::nn {
class Net;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

class LayerProbe : private nn::GemmObserver {
 public:
  // Net and context must outlive the probe; the net is under a policy with this
  // context. `what_if`: recipes to be asked what they would do.
  LayerProbe(nn::Net& net, nn::QuantContext& context,
             std::vector<quant::Recipe> what_if);

  // Watches the following calls of net.forward. `sample_weights`: a
  // WeightSample of each weight in FP4, too.
  void Begin(int64_t step, bool sample_weights = false);

  // Measures gradients, stops watching, and returns what was measured: a
  // LayerStats for each tensor, followed by its histograms; each kind of tensor
  // in the order of the net. An error of a quantiser names the layer.
  absl::StatusOr<std::vector<telemetry::Payload>> End();

  // Adds to the weights that End() measured how far they have moved since, and
  // forgets where they were. Not to be called where the step was skipped.
  void AddUpdates(std::vector<telemetry::Payload>& measured);

 private:
  void OnOperand(const nn::GemmSite& site, const at::Tensor& source,
                 const nn::GemmOperand& operand,
                 const nn::QuantizedOperand* taken_apart) override;
  void AddHistogram(telemetry::TensorKind kind, const std::string& layer,
                    absl::FunctionRef<void(telemetry::LayerHistogram*)> count);
  void AddExponents(telemetry::TensorKind kind, const std::string& layer,
                    const telemetry::LayerHistogram& exponents);
  void AddCodesAndScales(telemetry::TensorKind kind, const std::string& layer,
                         const OperandNumbers& numbers,
                         const quant::PackedTensor& packed);
  absl::Status Measure(telemetry::TensorKind kind, const std::string& layer,
                       const at::Tensor& source,
                       const nn::QuantizedOperand* quantized);
  absl::Status MeasureWeightPipeline(const std::string& layer,
                                     const OperandNumbers& numbers,
                                     const nn::QuantizedOperand& quantized);
  absl::Status MeasureWgrad(telemetry::TensorKind kind,
                            const std::string& layer,
                            const nn::QuantizedOperand& quantized);
  absl::Status SampleWeight(const std::string& layer,
                            const nn::QuantizedOperand& quantized);
  absl::Status MeasureGradient(const nn::NamedLayer& layer);
  absl::Status MeasureWhatIf(telemetry::TensorKind kind,
                             const nn::NamedLayer& layer, nn::Operand operand,
                             const at::Tensor& source);
  // The share of the codes that are others than those of the layer's last call;
  // nullopt at its first.
  std::optional<double> FlippedShare(const std::string& layer,
                                     const quant::PackedTensor& packed);
  // One number for the parameters of a tensor whose scale is learnt.
  void AddLearnedScale(telemetry::TensorKind kind, const std::string& layer,
                       telemetry::LayerStats* out) const;

  nn::QuantContext& context_;
  const std::vector<quant::Recipe> what_if_;
  std::vector<nn::NamedLayer> layers_;     // All but the output layer.
  std::map<std::string, size_t> by_name_;  // Places in layers_.
  // Of the weights: the codes at the last record, two a byte, and their values
  // before the optimiser's step.
  std::map<std::string, std::vector<uint8_t>> last_codes_;
  std::map<std::string, at::Tensor> before_;
  // What the operand stands for that is measured: memory that is used again,
  // because fresh pages of it take longer than filling them.
  std::vector<float> dequantized_;
  int64_t step_ = 0;
  bool sample_weights_ = false;
  std::optional<nn::ObserverScope> watching_;
  absl::Status status_;
  std::vector<telemetry::Payload> measured_;
  // Of dgrad, layer by layer from the end of the net.
  std::vector<std::vector<telemetry::Payload>> backward_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_LAYER_PROBE_H_
