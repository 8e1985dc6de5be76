#include "nn/layers/quant_conv.h"

#include <torch/torch.h>

#include <ostream>
#include <variant>

#include "nn/layers/learned_scale.h"

namespace cnn_fp4::nn {
namespace {

using NdOptions = torch::nn::detail::ConvNdOptions<2>;
using Numbers = torch::ExpandingArray<2>;

Numbers NumericPadding(const torch::nn::Conv2dOptions& options) {
  if (std::holds_alternative<torch::enumtype::kValid>(options.padding())) {
    return Numbers(0);
  }
  const auto* const numbers = std::get_if<Numbers>(&options.padding());
  TORCH_CHECK(numbers != nullptr,
              "QuantConv2d: padding 'same' is not supported; give numbers");
  return *numbers;
}

template <typename Mode>
void CheckZeros(const Mode& mode, const char* layer) {
  TORCH_CHECK(std::holds_alternative<torch::enumtype::kZeros>(mode), layer,
              ": padding mode ", torch::enumtype::get_enum_name(mode),
              " is not supported; pad the images before the layer");
}

NdOptions ToNd(const torch::nn::Conv2dOptions& options) {
  CheckZeros(options.padding_mode(), "QuantConv2d");
  return NdOptions(options.in_channels(), options.out_channels(),
                   options.kernel_size())
      .stride(options.stride())
      .padding(NumericPadding(options))
      .dilation(options.dilation())
      .groups(options.groups())
      .bias(options.bias());
}

NdOptions ToNd(const torch::nn::ConvTranspose2dOptions& options) {
  CheckZeros(options.padding_mode(), "QuantConvTranspose2d");
  return NdOptions(options.in_channels(), options.out_channels(),
                   options.kernel_size())
      .stride(options.stride())
      .padding(options.padding())
      .output_padding(options.output_padding())
      .dilation(options.dilation())
      .groups(options.groups())
      .bias(options.bias())
      .transposed(true);
}

ConvGeometry Geometry(const NdOptions& options) {
  ConvGeometry geometry;
  geometry.stride = *options.stride();
  geometry.padding = *std::get<Numbers>(options.padding());
  geometry.dilation = *options.dilation();
  geometry.output_padding = *options.output_padding();
  geometry.groups = options.groups();
  geometry.transposed = options.transposed();
  return geometry;
}

LayerInfo Info(const NdOptions& options) {
  LayerInfo info;
  info.in_channels = options.in_channels();
  info.out_channels = options.out_channels();
  info.kernel = (*options.kernel_size())[0];
  info.stride = (*options.stride())[0];
  info.groups = options.groups();
  info.transposed = options.transposed();
  return info;
}

void Print(const char* layer, const NdOptions& options, std::ostream& stream) {
  stream << layer << '(' << options.in_channels() << ", "
         << options.out_channels() << ", kernel_size=" << options.kernel_size()
         << ", stride=" << options.stride() << ')';
}

}  // namespace

QuantLayer::QuantLayer(const ConvGeometry& geometry)
    : spec_(std::make_shared<ConvSpec>(
          ConvSpec{"", geometry, ConvPrecision::Plain(PlainFormat::kFloat32),
                   std::make_shared<QuantContext>()})) {}

void QuantLayer::SetPrecision(const std::string& name,
                              const ConvPrecision& precision,
                              std::shared_ptr<const QuantContext> context) {
  TORCH_CHECK(context != nullptr, "layer ", name, ": no context");
  spec_ = std::make_shared<ConvSpec>(
      ConvSpec{name, spec_->geometry, precision, std::move(context)});
  learned_ = {};
  if (precision.fprop_w.learned) {
    learned_.log2_weight_scale = Parameter(
        "w_log2_scale",
        NumWeightScales(kernel(), spec_->geometry, precision.fprop_w));
  }
  if (precision.fprop_x.learned) learned_.x_clip = Parameter("x_clip", 1);
}

at::Tensor QuantLayer::Convolve(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias) const {
  TORCH_CHECK(x.dim() == 4, "layer ", spec_->layer,
              ": the input must be [N, C, H, W], not ", x.sizes());
  if (learned_.log2_weight_scale.defined()) {
    InitializeWeightScale(weight, spec_->geometry, learned_.log2_weight_scale);
  }
  if (learned_.x_clip.defined()) InitializeClip(x, learned_.x_clip);
  return QuantConvolution(x, weight, bias, spec_, learned_);
}

namespace {

at::Tensor ParameterOf(torch::nn::Module& module, const std::string& name,
                       int64_t size) {
  auto parameters = module.named_parameters(/*recurse=*/false);
  if (const at::Tensor* const known = parameters.find(name)) {
    if (known->numel() == size) return *known;
    // Of a format with another number of scales: as if it were new.
    const torch::NoGradGuard no_grad;
    known->set_data(at::zeros({size}, known->options()));
    return *known;
  }
  return module.register_parameter(name, torch::zeros({size}));
}

}  // namespace

at::Tensor QuantConv2dImpl::Parameter(const std::string& name, int64_t size) {
  return ParameterOf(*this, name, size);
}

at::Tensor QuantConvTranspose2dImpl::Parameter(const std::string& name,
                                               int64_t size) {
  return ParameterOf(*this, name, size);
}

QuantConv2dImpl::QuantConv2dImpl(const torch::nn::Conv2dOptions& options)
    : ConvNdImpl(ToNd(options)), QuantLayer(Geometry(this->options)) {}

at::Tensor QuantConv2dImpl::forward(const at::Tensor& x) {
  return Convolve(x, weight, bias);
}

LayerInfo QuantConv2dImpl::Describe() const { return Info(options); }

void QuantConv2dImpl::pretty_print(std::ostream& stream) const {
  Print("QuantConv2d", options, stream);
}

QuantConvTranspose2dImpl::QuantConvTranspose2dImpl(
    const torch::nn::ConvTranspose2dOptions& options)
    : ConvNdImpl(ToNd(options)), QuantLayer(Geometry(this->options)) {}

at::Tensor QuantConvTranspose2dImpl::forward(const at::Tensor& x) {
  return Convolve(x, weight, bias);
}

LayerInfo QuantConvTranspose2dImpl::Describe() const { return Info(options); }

void QuantConvTranspose2dImpl::pretty_print(std::ostream& stream) const {
  Print("QuantConvTranspose2d", options, stream);
}

}  // namespace cnn_fp4::nn
