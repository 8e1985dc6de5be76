#include "nn/models/unet.h"

#include <torch/torch.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quant_group_norm.h"
#include "nn/models/unet_layout.h"
#include "nn/net.h"

namespace cnn_fp4::nn {
namespace {

constexpr int64_t kSizeMultiple = int64_t{1} << kUNetLevels;

// What has to be added for a multiple of what the poolings divide by.
int64_t Padding(int64_t size) {
  return (kSizeMultiple - size % kSizeMultiple) % kSizeMultiple;
}

QuantConv2d Conv(int64_t in, int64_t out, int64_t kernel) {
  return QuantConv2d(
      torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

// (3x3 conv, GroupNorm, ReLU) twice.
class ConvBlock : public torch::nn::Module {
 public:
  ConvBlock(int64_t in, int64_t out, int64_t groups) {
    AddConvolutions(in, out, groups);
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor y = at::relu(norm1_->forward(conv1_->forward(x)));
    return at::relu(norm2_->forward(conv2_->forward(y)));
  }

 protected:
  ConvBlock() = default;
  // Registers in forward order.
  void AddConvolutions(int64_t in, int64_t out, int64_t groups) {
    conv1_ = register_module("conv1", Conv(in, out, 3));
    norm1_ = register_module("norm1", QuantGroupNorm(groups, out));
    conv2_ = register_module("conv2", Conv(out, out, 3));
    norm2_ = register_module("norm2", QuantGroupNorm(groups, out));
  }

 private:
  QuantConv2d conv1_ = nullptr, conv2_ = nullptr;
  QuantGroupNorm norm1_ = nullptr, norm2_ = nullptr;
};

// A transposed convolution doubles the size, then a ConvBlock sees it beside
// the encoder's output of that size.
class DecoderBlock : public ConvBlock {
 public:
  DecoderBlock(int64_t in, int64_t out, int64_t groups) {
    up_ = register_module(
        "up", QuantConvTranspose2d(
                  torch::nn::ConvTranspose2dOptions(in, out, 2).stride(2)));
    AddConvolutions(2 * out, out, groups);
  }

  at::Tensor forward(const at::Tensor& skip, const at::Tensor& x) {
    return ConvBlock::forward(at::cat({skip, up_->forward(x)}, 1));
  }

 private:
  QuantConvTranspose2d up_ = nullptr;
};

class UNet : public Net {
 public:
  UNet(const std::vector<int64_t>& channels, int64_t groups,
       int64_t num_classes) {
    int64_t in = kUNetInChannels;
    for (int level = 0; level < kUNetLevels; ++level) {
      encoders_.push_back(register_module(
          absl::StrCat("enc", level + 1),
          std::make_shared<ConvBlock>(in, channels[level], groups)));
      in = channels[level];
    }
    bottleneck_ = register_module(
        "bottleneck", std::make_shared<ConvBlock>(in, channels.back(), groups));
    for (int level = kUNetLevels - 1; level >= 0; --level) {
      decoders_.push_back(
          register_module(absl::StrCat("dec", level + 1),
                          std::make_shared<DecoderBlock>(
                              channels[level + 1], channels[level], groups)));
    }
    out_ = register_module("out", Conv(channels[0], num_classes, 1));
  }

  Output forward(const at::Tensor& images) override {
    const int64_t height = images.size(2), width = images.size(3);
    const int64_t pad_h = Padding(height), pad_w = Padding(width);
    at::Tensor x = images.to(out_->weight.device());
    if (pad_h > 0 || pad_w > 0) {
      x = at::replication_pad2d(x, {0, pad_w, 0, pad_h});
    }
    std::vector<at::Tensor> skips;
    for (const auto& encoder : encoders_) {
      skips.push_back(encoder->forward(x));
      x = at::max_pool2d(skips.back(), {2, 2});
    }
    x = bottleneck_->forward(x);
    for (const auto& decoder : decoders_) {
      x = decoder->forward(skips.back(), x);
      skips.pop_back();
    }
    x = out_->forward(x);
    return {x.slice(2, 0, height).slice(3, 0, width)};
  }

  LayerRoles roles() const override {
    return {{"enc1.conv1"}, {"dec1.conv2"}, {"out"}};
  }

 private:
  std::vector<std::shared_ptr<ConvBlock>> encoders_;
  std::shared_ptr<ConvBlock> bottleneck_;
  std::vector<std::shared_ptr<DecoderBlock>> decoders_;  // The deepest first.
  QuantConv2d out_ = nullptr;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Net>> MakeUNet(const NetSpec& spec,
                                              int64_t num_classes) {
  const absl::StatusOr<std::vector<int64_t>> channels = UNetChannels(spec);
  if (!channels.ok()) return channels.status();
  return std::shared_ptr<Net>(
      std::make_shared<UNet>(*channels, spec.norm_groups, num_classes));
}

}  // namespace cnn_fp4::nn
