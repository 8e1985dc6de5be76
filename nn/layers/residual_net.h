#ifndef NN_LAYERS_RESIDUAL_NET_H_
#define NN_LAYERS_RESIDUAL_NET_H_

// A net of somebody's own, for tests: residual blocks (He et al. 2016,
// arXiv:1512.03385) with stride 2, a 1x1 projection, groups and dilation.

#include <torch/torch.h>

#include "nn/layers/quant_conv.h"
#include "nn/net.h"

namespace cnn_fp4::nn {

class ResidualBlockImpl : public torch::nn::Cloneable<ResidualBlockImpl> {
 public:
  ResidualBlockImpl(int64_t in, int64_t out, int64_t stride, int64_t groups,
                    int64_t dilation)
      : in_(in),
        out_(out),
        stride_(stride),
        groups_(groups),
        dilation_(dilation) {
    reset();
  }

  void reset() override {
    using torch::nn::Conv2dOptions;
    conv1 = register_module("conv1", QuantConv2d(Conv2dOptions(in_, out_, 3)
                                                     .stride(stride_)
                                                     .padding(1)
                                                     .bias(false)));
    norm1 = register_module("norm1", torch::nn::BatchNorm2d(out_));
    conv2 = register_module("conv2", QuantConv2d(Conv2dOptions(out_, out_, 3)
                                                     .padding(dilation_)
                                                     .dilation(dilation_)
                                                     .groups(groups_)
                                                     .bias(false)));
    norm2 = register_module("norm2", torch::nn::GroupNorm(4, out_));
    if (in_ == out_ && stride_ == 1) return;
    downsample = register_module(
        "downsample", QuantConv2d(Conv2dOptions(in_, out_, 1).stride(stride_)));
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor y = at::relu(norm1(conv1(x)));
    y = norm2(conv2(y));
    return at::relu(y + (downsample.is_empty() ? x : downsample(x)));
  }

  QuantConv2d conv1 = nullptr, conv2 = nullptr, downsample = nullptr;
  torch::nn::BatchNorm2d norm1 = nullptr;
  torch::nn::GroupNorm norm2 = nullptr;

 private:
  int64_t in_, out_, stride_, groups_, dilation_;
};
TORCH_MODULE(ResidualBlock);

class ResidualNet : public Net {
 public:
  ResidualNet() {
    using torch::nn::Conv2dOptions;
    stem = register_module("stem",
                           QuantConv2d(Conv2dOptions(3, 16, 3).padding(1)));
    block1 = register_module("block1", ResidualBlock(16, 32, 2, 4, 1));
    block2 = register_module("block2", ResidualBlock(32, 32, 1, 2, 2));
    head = register_module("head", QuantConv2d(Conv2dOptions(32, 2, 1)));
  }

  Output forward(const at::Tensor& images) override {
    at::Tensor y = at::relu(stem(images));
    y = block2(block1(y));
    return {head(y)};
  }

  LayerRoles roles() const override {
    return {{"stem"}, {"block2.conv2"}, {"head"}};
  }

  QuantConv2d stem = nullptr, head = nullptr;
  ResidualBlock block1 = nullptr, block2 = nullptr;
};

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_RESIDUAL_NET_H_
