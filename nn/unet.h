#ifndef NN_UNET_H_
#define NN_UNET_H_

// The U-Net (Ronneberger et al. 2015, arXiv:1505.04597) whose convolutions run
// in the formats of a ConvPrecision. UNetFP16 and UNetNVFP4 are this one class
// with another policy, so precision is the only difference between two arms.
//
//   enc1..enc4   ConvBlock, then 2x2 max pooling; 64, 128, 256, 512 channels
//   bottleneck   ConvBlock; 1024 channels
//   dec4..dec1   2x2 transposed conv of stride 2, skip concatenation, ConvBlock
//   out          1x1 conv to the classes
//
//   ConvBlock = (3x3 conv, GroupNorm of 8 groups, ReLU) twice
//
// Channels are multiplied by model_scale_factor. Every conv and transposed conv
// but `out` follows the policy; GroupNorm is in FP32. `out` is FP32 too, except
// under a plain 16-bit policy, where it is 16-bit as under autocast.
//
//   auto net = UNet::Create({.num_classes = 2, ...}, policy, /*seed=*/1);
//   at::Tensor logits = (*net)->Forward(images);  // [N, num_classes, H, W]

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nn/conv_precision.h"
#include "nn/quant_convolution.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {

struct UNetOptions {
  int64_t in_channels = 3;
  int64_t num_classes = 2;
  // 64 * model_scale_factor must be a multiple of 8, GroupNorm's groups.
  double model_scale_factor = 0.25;
};

// What UNetFP16 and UNetNVFP4 are called in plots and tables: "UNetFP16" for
// the policy fp16, "UNetNVFP4" for nvfp4 and so on.
std::string UNetName(const ConvPrecision& precision);

struct NamedParameter {
  std::string name;  // "enc1.conv1.weight"
  // Points into the net; writing to it changes the net.
  const at::Tensor* tensor;
};

// A convolution that follows the policy, in forward order.
struct QuantizedLayer {
  std::shared_ptr<const ConvSpec> spec;  // Its name is spec->layer.
  const at::Tensor* weight;
};

class UNet {
 public:
  // Called with the layer's index in layers() and its input, NCHW.
  using InputObserver = std::function<void(size_t, const at::Tensor&)>;

  // Weights are drawn from `seed` as torch's layers draw theirs (Kaiming
  // uniform): the same for every policy. InvalidArgument for options that make
  // no net.
  static absl::StatusOr<std::unique_ptr<UNet>> Create(
      const UNetOptions& options, const ConvPrecision& precision,
      uint64_t seed);
  ~UNet();

  // images: [N, in_channels, H, W] FP32, H and W at least 1; sizes that are no
  // multiple of 16 are padded by replication and the result is cropped.
  // Returns logits [N, num_classes, H, W] FP32. An FP4 operand with NaN or Inf
  // throws c10::Error naming the layer.
  at::Tensor Forward(const at::Tensor& images);

  // Moves the parameters to "cpu" or "cuda". Forward takes images from any
  // device and returns logits on this one.
  void To(const std::string& device);

  // Sees the input of every policy layer in later calls of Forward; null stops.
  void SetInputObserver(InputObserver observer);

  const std::vector<QuantizedLayer>& layers() const;
  const std::vector<NamedParameter>& parameters() const;
  const UNetOptions& options() const;
  int64_t num_parameters() const;

 private:
  struct Impl;
  explicit UNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cnn_fp4::nn

#endif  // NN_UNET_H_
