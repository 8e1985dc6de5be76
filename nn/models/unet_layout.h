#ifndef NN_MODELS_UNET_LAYOUT_H_
#define NN_MODELS_UNET_LAYOUT_H_

// The UNet's layers as data: what //nn/models:unet builds and what a
// configuration pins, without LibTorch.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "nn/models/net_spec.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::nn {

inline constexpr int kUNetLevels = 4;  // Poolings between input and bottleneck.
inline constexpr int64_t kUNetInChannels = 3;

// Channels of the encoder's levels, and of the bottleneck at the end.
// InvalidArgument naming the field for options that make no net.
absl::StatusOr<std::vector<int64_t>> UNetChannels(const NetSpec& spec);

// In forward order, the output layer last. InvalidArgument as UNetChannels.
absl::StatusOr<std::vector<LayerInfo>> UNetLayers(const NetSpec& spec);

}  // namespace cnn_fp4::nn

#endif  // NN_MODELS_UNET_LAYOUT_H_
