#ifndef NN_MODELS_NET_SPEC_H_
#define NN_MODELS_NET_SPEC_H_

// Which net is trained, as data, and what its layers are, without LibTorch: for
// checking and pinning a configuration before anything is built.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::nn {

struct NetSpec {
  std::string architecture = "unet";
  double model_scale_factor = 0.25;
  int64_t base_channels = 64;
  int64_t norm_groups = 8;

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("architecture", self.architecture, "The net: unet.");
    visit("model_scale_factor", self.model_scale_factor,
          "Factor by which the net's numbers of channels are multiplied; the "
          "full UNet has 64 to 1024.");
    visit("base_channels", self.base_channels,
          "Number of channels of the first level at a scale factor of 1.");
    visit("norm_groups", self.norm_groups,
          "Number of groups of each GroupNorm.");
  }
};

// The names of all architectures.
std::vector<std::string> ArchitectureNames();

// The layers that a policy applies to, in forward order, the output layer last.
// InvalidArgument that begins with the name of the field for options that make
// no net.
absl::StatusOr<std::vector<LayerInfo>> Layers(const NetSpec& spec);

inline absl::Status Check(const NetSpec& spec) { return Layers(spec).status(); }

}  // namespace cnn_fp4::nn

#endif  // NN_MODELS_NET_SPEC_H_
