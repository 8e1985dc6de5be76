#include "nn/layers/quantize.h"

#include <torch/torch.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

LayerRoles RolesOf(const torch::nn::Module& net) {
  const auto* const known = dynamic_cast<const Net*>(&net);
  return known == nullptr ? LayerRoles{} : known->roles();
}

// A role of no layer is a typing error, which would put an output layer into
// FP4 without a word.
absl::Status CheckRoles(const LayerRoles& roles,
                        const std::vector<LayerInfo>& layers) {
  std::vector<std::string> names;
  for (const LayerInfo& layer : layers) names.push_back(layer.name);
  for (const auto* const role : {&roles.first, &roles.last, &roles.output}) {
    for (const std::string& name : *role) {
      if (Contains(names, name)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "the net's roles name '", name,
          "', which is none of its layers: ", absl::StrJoin(names, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<NamedLayer> QuantLayers(torch::nn::Module& net) {
  const LayerRoles roles = RolesOf(net);
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
  if (absl::Status status = CheckRoles(RolesOf(net), infos); !status.ok()) {
    return status;
  }
  const absl::StatusOr<std::vector<ConvPrecision>> precisions =
      policy.Resolve(infos);
  if (!precisions.ok()) return precisions.status();
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].layer->SetPrecision(infos[i].name, (*precisions)[i], context);
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::nn
