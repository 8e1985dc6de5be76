#include "nn/layers/quantize.h"

#include <torch/torch.h>

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quant_group_norm.h"
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

// A role of no convolution is a typing error, which would put an output layer
// into FP4 without a word.
absl::Status CheckRoles(const LayerRoles& roles,
                        const std::vector<LayerInfo>& layers) {
  std::vector<std::string> names;
  for (const LayerInfo& layer : layers) {
    if (layer.role != LayerRole::kNorm) names.push_back(layer.name);
  }
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

// One of the two is set.
struct AnyLayer {
  LayerInfo info;
  QuantLayer* conv = nullptr;
  QuantGroupNormImpl* norm = nullptr;
};

std::vector<AnyLayer> AllLayers(torch::nn::Module& net) {
  const LayerRoles roles = RolesOf(net);
  std::vector<AnyLayer> layers;
  for (const auto& module :
       net.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    AnyLayer layer;
    layer.conv = dynamic_cast<QuantLayer*>(module.value().get());
    layer.norm = dynamic_cast<QuantGroupNormImpl*>(module.value().get());
    if (layer.conv != nullptr) {
      layer.info = layer.conv->Describe();
      layer.info.role = RoleOf(roles, module.key());
    } else if (layer.norm != nullptr) {
      layer.info = layer.norm->Describe();
      layer.info.role = LayerRole::kNorm;
    } else {
      continue;
    }
    layer.info.name = module.key();
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<LayerInfo> InfosOf(const std::vector<AnyLayer>& layers) {
  std::vector<LayerInfo> infos;
  for (const AnyLayer& layer : layers) infos.push_back(layer.info);
  return infos;
}

}  // namespace

std::vector<NamedLayer> QuantLayers(torch::nn::Module& net) {
  std::vector<NamedLayer> layers;
  for (AnyLayer& layer : AllLayers(net)) {
    if (layer.conv == nullptr) continue;
    layers.push_back({std::move(layer.info), layer.conv});
  }
  return layers;
}

std::vector<LayerInfo> DescribeLayers(torch::nn::Module& net) {
  return InfosOf(AllLayers(net));
}

absl::Status Quantize(torch::nn::Module& net, const Policy& policy,
                      std::shared_ptr<const QuantContext> context) {
  const std::vector<AnyLayer> layers = AllLayers(net);
  if (absl::c_none_of(layers, [](const AnyLayer& layer) {
        return layer.conv != nullptr;
      })) {
    return absl::InvalidArgumentError(
        "the net has no QuantConv2d and no QuantConvTranspose2d: there is "
        "nothing that a policy could apply to");
  }
  const std::vector<LayerInfo> infos = InfosOf(layers);
  if (absl::Status status = CheckRoles(RolesOf(net), infos); !status.ok()) {
    return status;
  }
  const absl::StatusOr<std::vector<ConvPrecision>> precisions =
      policy.Resolve(infos);
  if (!precisions.ok()) return precisions.status();
  for (size_t i = 0; i < layers.size(); ++i) {
    const ConvPrecision& precision = (*precisions)[i];
    if (layers[i].norm != nullptr) {
      layers[i].norm->SetInputFormat(infos[i].name, precision.fprop_x);
    } else {
      layers[i].conv->SetPrecision(infos[i].name, precision, context);
    }
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::nn
