#ifndef NN_LAYERS_QUANTIZE_H_
#define NN_LAYERS_QUANTIZE_H_

// Puts a net under a policy:
//
//   auto context = std::make_shared<QuantContext>();
//   absl::Status status = Quantize(*net, *Policy::Parse("nvfp4"), context);
//   ... for each step: context->step = step; net->forward(images); ...
//
// A layer is a QuantConv2d, QuantConvTranspose2d or QuantGroupNorm anywhere
// below the net; its name is its path in the net's modules. `first`, `last` and
// the output layer are known of an nn::Net only; in other modules every layer
// is an ordinary one.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nn/gemm/quant_context.h"
#include "nn/precision/layer_info.h"
#include "nn/precision/policy.h"

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace cnn_fp4::nn {

class QuantLayer;

// Gives each layer its name, its precision and the context. A net can be put
// under another policy later; its weights stay. Errors: Policy::Resolve's, and
// InvalidArgument for a net without layers and for one whose roles name a layer
// that it does not have; the net is then as it was.
absl::Status Quantize(torch::nn::Module& net, const Policy& policy,
                      std::shared_ptr<const QuantContext> context);

// The convolutions, in the order of registration, which for a Net is the order
// of the forward pass.
struct NamedLayer {
  LayerInfo info;
  QuantLayer* layer;  // Owned by the net.
};
std::vector<NamedLayer> QuantLayers(torch::nn::Module& net);

// What a policy needs to know of all layers, normalisations included, in the
// order of registration.
std::vector<LayerInfo> DescribeLayers(torch::nn::Module& net);

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_QUANTIZE_H_
