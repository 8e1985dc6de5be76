#include "nn/layers/quantize.h"

#include <torch/torch.h>

#include <algorithm>

#include "nn/layers/quant_conv.h"
#include "nn/net.h"

namespace cnn_fp4::nn {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

LayerRole RoleOf(const LayerRoles& roles, const std::string& name) {
  if (Contains(roles.output, name)) return LayerRole::kOutput;
  if (Contains(roles.first, name)) return LayerRole::kFirst;
  if (Contains(roles.last, name)) return LayerRole::kLast;
  return LayerRole::kOrdinary;
}

}  // namespace

std::vector<NamedLayer> QuantLayers(torch::nn::Module& net) {
  LayerRoles roles;
  if (const auto* const known = dynamic_cast<const Net*>(&net)) {
    roles = known->roles();
  }
  std::vector<NamedLayer> layers;
  for (const auto& module :
       net.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    auto* const layer = dynamic_cast<QuantLayer*>(module.value().get());
    if (layer == nullptr) continue;
    LayerInfo info = layer->Describe();
    info.name = module.key();
    info.role = RoleOf(roles, info.name);
    layers.push_back({std::move(info), layer});
  }
  return layers;
}

absl::Status Quantize(torch::nn::Module& net, const Policy& policy,
                      std::shared_ptr<const QuantContext> context) {
  const std::vector<NamedLayer> layers = QuantLayers(net);
  if (layers.empty()) {
    return absl::InvalidArgumentError(
        "the net has no QuantConv2d and no QuantConvTranspose2d: there is "
        "nothing that a policy could apply to");
  }
  std::vector<LayerInfo> infos;
  for (const NamedLayer& layer : layers) infos.push_back(layer.info);
  const absl::StatusOr<std::vector<ConvPrecision>> precisions =
      policy.Resolve(infos);
  if (!precisions.ok()) return precisions.status();
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].layer->SetPrecision(infos[i].name, (*precisions)[i], context);
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::nn
