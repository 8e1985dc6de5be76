#include "train/gradient_fidelity.h"

#include <torch/torch.h>

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quant_convolution.h"
#include "nn/layers/quantize.h"
#include "nn/net.h"
#include "train/task.h"

namespace cnn_fp4::train {
namespace {

using nn::ConvPrecision;
using nn::Operand;

// What a layer's backward pass is computed from.
struct Sources {
  at::Tensor x, dy;
  bool needs_dx = false;
};

class Keeper : public nn::GemmObserver {
 public:
  void OnSource(const nn::GemmSite& site, const at::Tensor& source) override {
    Sources& kept = by_layer[site.layer];
    if (site.operand == Operand::kFpropX) kept.x = source.detach();
    if (site.operand == Operand::kWgradDy) kept.dy = source.detach();
    if (site.operand == Operand::kDgradDy) kept.needs_dx = true;
  }

  std::map<std::string, Sources> by_layer;
};

// A change of one GEMM: the formats of a policy for the operand in question,
// FP32 for all others.
struct Change {
  std::string operand;
  bool of_dx = false;  // Else of dw.
  ConvPrecision precision;
};

// `of_fprop`: used where the policy leaves the operand unset.
void AddIfFp4(const ConvPrecision& policy, Operand operand, Operand of_fprop,
              bool of_dx, std::vector<Change>& changes) {
  const Operand used = policy.Get(operand) != nullptr ? operand : of_fprop;
  if (policy.Get(used)->recipe() == nullptr) return;
  Change change{std::string(nn::OperandName(operand)), of_dx, {}};
  change.precision.Set(used, *policy.Get(used));
  changes.push_back(std::move(change));
}

std::vector<Change> ChangesOf(const ConvPrecision& policy) {
  using O = Operand;
  std::vector<Change> changes;
  AddIfFp4(policy, O::kDgradDy, O::kDgradDy, /*of_dx=*/true, changes);
  AddIfFp4(policy, O::kDgradW, O::kFpropW, /*of_dx=*/true, changes);
  if (policy.wgrad_dy.rotated()) {
    Change change{"wgrad_dy, wgrad_x", false, {}};
    change.precision.wgrad_dy = policy.wgrad_dy;
    change.precision.wgrad_x = policy.wgrad_x;
    changes.push_back(std::move(change));
  } else {
    AddIfFp4(policy, O::kWgradDy, O::kWgradDy, /*of_dx=*/false, changes);
    AddIfFp4(policy, O::kWgradX, O::kFpropX, /*of_dx=*/false, changes);
  }
  return changes;
}

struct Gradients {
  at::Tensor dx, dw;
};

Gradients Differentiate(
    const Sources& sources, const at::Tensor& weight, const nn::ConvSpec& layer,
    const ConvPrecision& precision,
    const std::shared_ptr<const nn::QuantContext>& context) {
  const auto spec = std::make_shared<nn::ConvSpec>(
      nn::ConvSpec{layer.layer, layer.geometry, precision, context});
  const at::Tensor x = sources.x.clone().requires_grad_();
  const at::Tensor w = weight.detach().clone().requires_grad_();
  const at::Tensor y = nn::QuantConvolution(x, w, at::Tensor(), spec);
  const auto gradients = torch::autograd::grad({y}, {x, w}, {sources.dy});
  return {gradients[0], gradients[1]};
}

double Cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const double norms = (x.norm() * y.norm()).item<double>();
  if (norms == 0) return std::numeric_limits<double>::quiet_NaN();
  return (x * y).sum().item<double>() / norms;
}

// Forward and backward of one batch; what the layers' gradients come from.
std::map<std::string, Sources> Watch(const Task& task, nn::Net& net,
                                     nn::QuantContext& context,
                                     const data::Batch& batch) {
  Keeper keeper;
  const nn::ObserverScope watching(context, keeper);
  const at::Tensor images =
      at::from_blob(const_cast<float*>(batch.image.data()),
                    {batch.n, batch.c, batch.h, batch.w}, at::kFloat);
  task.Loss(net.forward(images), batch).backward();
  net.zero_grad();
  return std::move(keeper.by_layer);
}

}  // namespace

absl::StatusOr<std::vector<GradientFidelity>> CompareGradients(
    const Task& task, nn::Net& net,
    const std::shared_ptr<nn::QuantContext>& context,
    absl::Span<const data::Batch> batches, const nn::Policy& policy) {
  const auto unobserved = std::make_shared<nn::QuantContext>();
  unobserved->seed = context->seed;
  unobserved->step = context->step;
  // The policy's precisions are those that its layers have under it.
  absl::Status status = nn::Quantize(net, policy, context);
  if (!status.ok()) return status;
  const std::vector<nn::NamedLayer> layers = nn::QuantLayers(net);
  std::vector<ConvPrecision> precisions;
  for (const nn::NamedLayer& layer : layers) {
    precisions.push_back(layer.layer->spec().precision);
  }
  status = nn::Quantize(net, *nn::Policy::Parse("bf16"), context);
  if (!status.ok()) return status;

  std::vector<GradientFidelity> fidelity;
  try {
    for (size_t b = 0; b < batches.size(); ++b) {
      const auto sources = Watch(task, net, *context, batches[b]);
      size_t row = 0;
      for (size_t i = 0; i < layers.size(); ++i) {
        const auto of_layer = sources.find(layers[i].info.name);
        if (layers[i].info.role == nn::LayerRole::kOutput ||
            of_layer == sources.end()) {
          continue;
        }
        const at::Tensor& weight = layers[i].layer->kernel();
        const nn::ConvSpec& spec = layers[i].layer->spec();
        std::optional<Gradients> exact;
        for (const Change& change : ChangesOf(precisions[i])) {
          if (change.of_dx && !of_layer->second.needs_dx) continue;
          if (!exact.has_value()) {
            exact = Differentiate(of_layer->second, weight, spec,
                                  ConvPrecision(), unobserved);
          }
          const Gradients changed = Differentiate(
              of_layer->second, weight, spec, change.precision, unobserved);
          if (row == fidelity.size()) {
            fidelity.push_back({layers[i].info.name,
                                change.operand,
                                change.of_dx ? "dx" : "dw",
                                {}});
          }
          fidelity[row++].cosines.push_back(
              change.of_dx ? Cosine(changed.dx, exact->dx)
                           : Cosine(changed.dw, exact->dw));
        }
      }
    }
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  }
  status = nn::Quantize(net, policy, context);
  if (!status.ok()) return status;
  return fidelity;
}

}  // namespace cnn_fp4::train
