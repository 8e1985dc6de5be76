#include "nn/unet.h"

#include <torch/torch.h>

#include <array>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::nn {
namespace {

constexpr int kLevels = 4;
constexpr int64_t kBaseChannels = 64;
constexpr int64_t kGroups = 8;
constexpr int64_t kSizeMultiple = 1 << kLevels;

// Rounds up to a multiple of what four poolings divide by.
int64_t Padded(int64_t size) {
  return (size + kSizeMultiple - 1) / kSizeMultiple * kSizeMultiple;
}

struct ConvLayer {
  torch::Tensor weight;
  torch::Tensor bias;
  std::shared_ptr<const ConvSpec> spec;
  int observed = -1;  // Index in layers(), or -1 for the output layer.
};

struct Norm {
  torch::Tensor weight;
  torch::Tensor bias;
};

struct ConvBlock {
  std::array<ConvLayer, 2> convs;
  std::array<Norm, 2> norms;
};

// The precision of the output layer: see the header.
ConvPrecision OutputPrecision(const ConvPrecision& precision) {
  if (!precision.quantized()) return precision;
  absl::StatusOr<ConvPrecision> fp32 = FindConvPrecision("fp32");
  CHECK(fp32.ok()) << fp32.status();
  return *std::move(fp32);
}

}  // namespace

struct UNet::Impl {
  Impl(const UNetOptions& o, const ConvPrecision& p)
      : options(o), precision(p) {}

  int64_t Channels(int level) const {
    return std::llround(static_cast<double>(kBaseChannels << level) *
                        options.model_scale_factor);
  }

  void AddParameter(const std::string& name, torch::Tensor& tensor) {
    tensor.requires_grad_(true);
    parameters.push_back({name, &tensor});
  }

  // The layer at its final address: parameters points into it.
  void InitConv(const std::string& name, int64_t in, int64_t out,
                int64_t kernel, const ConvGeometry& geometry,
                const ConvPrecision& conv_precision, ConvLayer* layer) {
    layer->spec =
        std::make_shared<ConvSpec>(ConvSpec{name, geometry, conv_precision});
    layer->weight = geometry.transposed
                        ? torch::empty({in, out, kernel, kernel})
                        : torch::empty({out, in, kernel, kernel});
    // torch's default for convolutions, and its fan-in: dimension 1.
    torch::nn::init::kaiming_uniform_(layer->weight, std::sqrt(5.0));
    const double bound =
        1.0 /
        std::sqrt(static_cast<double>(layer->weight.size(1) * kernel * kernel));
    layer->bias = torch::empty({out}).uniform_(-bound, bound);
    AddParameter(name + ".weight", layer->weight);
    AddParameter(name + ".bias", layer->bias);
  }

  void InitPolicyConv(const std::string& name, int64_t in, int64_t out,
                      int64_t kernel, const ConvGeometry& geometry,
                      ConvLayer* layer) {
    InitConv(name, in, out, kernel, geometry, precision, layer);
    layer->observed = static_cast<int>(layers.size());
    layers.push_back({layer->spec, &layer->weight});
  }

  void InitBlock(const std::string& name, int64_t in, int64_t out,
                 ConvBlock* block) {
    for (int i = 0; i < 2; ++i) {
      InitPolicyConv(absl::StrCat(name, ".conv", i + 1), i == 0 ? in : out, out,
                     3, {1, 1, false}, &block->convs[i]);
      Norm& norm = block->norms[i];
      norm.weight = torch::ones({out});
      norm.bias = torch::zeros({out});
      const std::string prefix = absl::StrCat(name, ".norm", i + 1);
      AddParameter(prefix + ".weight", norm.weight);
      AddParameter(prefix + ".bias", norm.bias);
    }
  }

  void Init() {
    for (int level = 0; level < kLevels; ++level) {
      InitBlock(absl::StrCat("enc", level + 1),
                level == 0 ? options.in_channels : Channels(level - 1),
                Channels(level), &encoders[level]);
    }
    InitBlock("bottleneck", Channels(kLevels - 1), Channels(kLevels),
              &bottleneck);
    for (int level = kLevels - 1; level >= 0; --level) {
      const std::string name = absl::StrCat("dec", level + 1);
      InitPolicyConv(name + ".up", Channels(level + 1), Channels(level), 2,
                     {2, 0, true}, &ups[level]);
      InitBlock(name, 2 * Channels(level), Channels(level), &decoders[level]);
    }
    InitConv("out", Channels(0), options.num_classes, 1, {1, 0, false},
             OutputPrecision(precision), &output);
  }

  at::Tensor Convolve(const ConvLayer& layer, const at::Tensor& x) const {
    if (observer && layer.observed >= 0) observer(layer.observed, x);
    return QuantConvolution(x, layer.weight, layer.bias, layer.spec);
  }

  at::Tensor Run(const ConvBlock& block, at::Tensor x) const {
    for (int i = 0; i < 2; ++i) {
      x = Convolve(block.convs[i], x);
      x = at::group_norm(x, kGroups, block.norms[i].weight,
                         block.norms[i].bias);
      x = at::relu(x);
    }
    return x;
  }

  UNetOptions options;
  ConvPrecision precision;
  std::array<ConvBlock, kLevels> encoders;
  ConvBlock bottleneck;
  std::array<ConvLayer, kLevels> ups;
  std::array<ConvBlock, kLevels> decoders;
  ConvLayer output;

  std::vector<NamedParameter> parameters;
  std::vector<QuantizedLayer> layers;
  InputObserver observer;
};

UNet::UNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UNet::~UNet() = default;

absl::StatusOr<std::unique_ptr<UNet>> UNet::Create(
    const UNetOptions& options, const ConvPrecision& precision, uint64_t seed) {
  if (options.in_channels < 1 || options.num_classes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a UNet needs at least one input channel and one class, "
                     "not ",
                     options.in_channels, " and ", options.num_classes));
  }
  const double base = kBaseChannels * options.model_scale_factor;
  if (!(base >= kGroups) || base > 16 * kBaseChannels ||
      std::fmod(base, kGroups) != 0.0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model_scale_factor ", options.model_scale_factor, " makes ", base,
        " channels in the first level; GroupNorm needs a "
        "multiple of ",
        kGroups, ": take a multiple of 0.125, at most 16"));
  }
  torch::manual_seed(seed);
  auto impl = std::make_unique<Impl>(options, precision);
  const torch::NoGradGuard no_grad;
  impl->Init();
  return std::unique_ptr<UNet>(new UNet(std::move(impl)));
}

at::Tensor UNet::Forward(const at::Tensor& images) {
  const int64_t height = images.size(2), width = images.size(3);
  const int64_t pad_h = Padded(height) - height, pad_w = Padded(width) - width;
  at::Tensor x = images.to(impl_->output.weight.device());
  if (pad_h > 0 || pad_w > 0) {
    x = at::replication_pad2d(x, {0, pad_w, 0, pad_h});
  }
  std::array<at::Tensor, kLevels> skips;
  for (int level = 0; level < kLevels; ++level) {
    skips[level] = impl_->Run(impl_->encoders[level], x);
    x = at::max_pool2d(skips[level], {2, 2});
  }
  x = impl_->Run(impl_->bottleneck, x);
  for (int level = kLevels - 1; level >= 0; --level) {
    x = impl_->Convolve(impl_->ups[level], x);
    x = impl_->Run(impl_->decoders[level], at::cat({skips[level], x}, 1));
    skips[level].reset();
  }
  x = impl_->Convolve(impl_->output, x);
  return x.slice(2, 0, height).slice(3, 0, width);
}

void UNet::To(const std::string& device) {
  const torch::NoGradGuard no_grad;
  for (const NamedParameter& parameter : impl_->parameters) {
    at::Tensor tensor = *parameter.tensor;
    tensor.set_data(tensor.to(at::Device(device)));
  }
}

void UNet::SetInputObserver(InputObserver observer) {
  impl_->observer = std::move(observer);
}

const std::vector<QuantizedLayer>& UNet::layers() const {
  return impl_->layers;
}

const std::vector<NamedParameter>& UNet::parameters() const {
  return impl_->parameters;
}

const UNetOptions& UNet::options() const { return impl_->options; }

int64_t UNet::num_parameters() const {
  int64_t count = 0;
  for (const NamedParameter& parameter : impl_->parameters) {
    count += parameter.tensor->numel();
  }
  return count;
}

std::string UNetName(const ConvPrecision& precision) {
  return absl::StrCat("UNet", absl::AsciiStrToUpper(precision.name));
}

}  // namespace cnn_fp4::nn
