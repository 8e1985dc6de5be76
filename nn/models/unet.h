#ifndef NN_MODELS_UNET_H_
#define NN_MODELS_UNET_H_

// The U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with GroupNorm (Wu and
// He 2018, arXiv:1803.08494). UNetFP16 and UNetNVFP4 are this one net under
// another policy, so precision is the only difference between two arms.
//
//   enc1..enc4   ConvBlock, then 2x2 max pooling; 64, 128, 256, 512 channels
//   bottleneck   ConvBlock; 1024 channels
//   dec4..dec1   2x2 transposed conv of stride 2, skip concatenation, ConvBlock
//   out          1x1 conv to the classes
//
//   ConvBlock = (3x3 conv, GroupNorm of 8 groups, ReLU) twice
//
// Channels are multiplied by model_scale_factor. Sizes of images that are no
// multiple of 16 are padded by replication, and the result is cropped.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "nn/models/net_spec.h"

namespace cnn_fp4::nn {

class Net;

// Weights are drawn as torch's layers draw theirs (Kaiming uniform), from
// torch's generator, in the order of the layers. InvalidArgument naming the
// field for options that make no net.
absl::StatusOr<std::shared_ptr<Net>> MakeUNet(const NetSpec& spec,
                                              int64_t num_classes);

}  // namespace cnn_fp4::nn

#endif  // NN_MODELS_UNET_H_
