#include "nn/models/net_spec.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/models/unet_layout.h"

namespace cnn_fp4::nn {
namespace {

// One line an architecture; models.cc has the other half, which needs LibTorch.
struct Architecture {
  const char* name;
  absl::StatusOr<std::vector<LayerInfo>> (*layers)(const NetSpec&);
};
constexpr Architecture kArchitectures[] = {
    {"unet", UNetLayers},
};

}  // namespace

std::vector<std::string> ArchitectureNames() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) {
    names.push_back(architecture.name);
  }
  return names;
}

absl::StatusOr<std::vector<LayerInfo>> Layers(const NetSpec& spec) {
  for (const Architecture& architecture : kArchitectures) {
    if (spec.architecture == architecture.name) {
      return architecture.layers(spec);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "architecture can be ", absl::StrJoin(ArchitectureNames(), ", "),
      ", not '", spec.architecture, "'"));
}

}  // namespace cnn_fp4::nn
