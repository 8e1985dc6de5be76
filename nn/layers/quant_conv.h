#ifndef NN_LAYERS_QUANT_CONV_H_
#define NN_LAYERS_QUANT_CONV_H_

// QuantConv2d and QuantConvTranspose2d: convolutions for anybody's net, built
// as torch::nn::Conv2d and ConvTranspose2d are, with the same parameters, names
// and initial weights. Until Quantize (quantize.h) gives them a precision they
// compute in FP32.
//
//   conv1 = register_module("conv1", QuantConv2d(
//       torch::nn::Conv2dOptions(64, 128, 3).stride(2).padding(1)));
//   ...
//   x = conv1->forward(x);
//
// Limits: padding with zeros, by numbers (not "same"); images with a batch
// dimension.

#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "nn/layers/quant_convolution.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::nn {

// What Quantize and those who look at a net need of a quantised layer.
class QuantLayer {
 public:
  virtual ~QuantLayer() = default;

  // Name, precision and context are Quantize's; the name is empty before.
  const ConvSpec& spec() const { return *spec_; }
  // A format whose scale is learnt gives the module a parameter, "w_log2_scale"
  // or "x_clip", which the first forward pass sets. It stays when another
  // precision has no use for it.
  void SetPrecision(const std::string& name, const ConvPrecision& precision,
                    std::shared_ptr<const QuantContext> context);

  // Undefined where nothing is learnt.
  const LearnedScales& learned_scales() const { return learned_; }

  // OIHW, or IOHW if transposed.
  virtual const at::Tensor& kernel() const = 0;
  // Geometry; neither name nor role.
  virtual LayerInfo Describe() const = 0;

 protected:
  explicit QuantLayer(const ConvGeometry& geometry);
  at::Tensor Convolve(const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) const;

  // The module's parameter of this name, of this many zeros if it is new.
  virtual at::Tensor Parameter(const std::string& name, int64_t size) = 0;

 private:
  std::shared_ptr<const ConvSpec> spec_;
  LearnedScales learned_;
};

class QuantConv2dImpl : public torch::nn::ConvNdImpl<2, QuantConv2dImpl>,
                        public QuantLayer {
 public:
  // Throws c10::Error for a padding mode other than zeros and for
  // padding="same".
  explicit QuantConv2dImpl(const torch::nn::Conv2dOptions& options);
  QuantConv2dImpl(int64_t in_channels, int64_t out_channels,
                  torch::ExpandingArray<2> kernel_size)
      : QuantConv2dImpl(
            torch::nn::Conv2dOptions(in_channels, out_channels, kernel_size)) {}

  // x: [N, Cin, H, W].
  at::Tensor forward(const at::Tensor& x);

  const at::Tensor& kernel() const override { return weight; }
  LayerInfo Describe() const override;
  void pretty_print(std::ostream& stream) const override;

 private:
  at::Tensor Parameter(const std::string& name, int64_t size) override;
};
TORCH_MODULE(QuantConv2d);

class QuantConvTranspose2dImpl
    : public torch::nn::ConvNdImpl<2, QuantConvTranspose2dImpl>,
      public QuantLayer {
 public:
  explicit QuantConvTranspose2dImpl(
      const torch::nn::ConvTranspose2dOptions& options);
  QuantConvTranspose2dImpl(int64_t in_channels, int64_t out_channels,
                           torch::ExpandingArray<2> kernel_size)
      : QuantConvTranspose2dImpl(torch::nn::ConvTranspose2dOptions(
            in_channels, out_channels, kernel_size)) {}

  at::Tensor forward(const at::Tensor& x);

  const at::Tensor& kernel() const override { return weight; }
  LayerInfo Describe() const override;
  void pretty_print(std::ostream& stream) const override;

 private:
  at::Tensor Parameter(const std::string& name, int64_t size) override;
};
TORCH_MODULE(QuantConvTranspose2d);

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_QUANT_CONV_H_
