#include "nn/models/unet_layout.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::nn {
namespace {

// Larger nets do not fit this project's machines; the limit catches typing
// errors before they allocate.
constexpr double kMaxBase = 1024;

LayerInfo Conv3x3(std::string name, int64_t in, int64_t out) {
  LayerInfo layer;
  layer.name = std::move(name);
  layer.in_channels = in;
  layer.out_channels = out;
  layer.kernel = 3;
  return layer;
}

LayerInfo Norm(std::string name, int64_t channels) {
  LayerInfo layer;
  layer.name = std::move(name);
  layer.role = LayerRole::kNorm;
  layer.in_channels = layer.out_channels = channels;
  return layer;
}

void AddBlock(const std::string& name, int64_t in, int64_t out,
              std::vector<LayerInfo>* layers) {
  layers->push_back(Conv3x3(name + ".conv1", in, out));
  layers->push_back(Norm(name + ".norm1", out));
  layers->push_back(Conv3x3(name + ".conv2", out, out));
  layers->push_back(Norm(name + ".norm2", out));
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> UNetChannels(const NetSpec& spec) {
  if (spec.base_channels < 1 || spec.norm_groups < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.base_channels < 1 ? "base_channels" : "norm_groups",
                     " must be at least 1"));
  }
  const double base =
      static_cast<double>(spec.base_channels) * spec.model_scale_factor;
  const double groups = static_cast<double>(spec.norm_groups);
  if (!(base >= groups) || base > kMaxBase || std::fmod(base, groups) != 0.0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model_scale_factor ", spec.model_scale_factor, " makes ", base,
        " channels in the first level; GroupNorm needs a multiple of ",
        spec.norm_groups, ", at most ", kMaxBase, ": take a multiple of ",
        groups / static_cast<double>(spec.base_channels), ", at most ",
        kMaxBase / static_cast<double>(spec.base_channels)));
  }
  std::vector<int64_t> channels;
  for (int level = 0; level <= kUNetLevels; ++level) {
    channels.push_back(std::llround(base) << level);
  }
  return channels;
}

absl::StatusOr<std::vector<LayerInfo>> UNetLayers(const NetSpec& spec) {
  const absl::StatusOr<std::vector<int64_t>> channels = UNetChannels(spec);
  if (!channels.ok()) return channels.status();
  std::vector<LayerInfo> layers;
  int64_t in = kUNetInChannels;
  for (int level = 0; level < kUNetLevels; ++level) {
    const int64_t out = (*channels)[level];
    AddBlock(absl::StrCat("enc", level + 1), in, out, &layers);
    in = out;
  }
  AddBlock("bottleneck", in, channels->back(), &layers);
  for (int level = kUNetLevels - 1; level >= 0; --level) {
    const std::string name = absl::StrCat("dec", level + 1);
    const int64_t out = (*channels)[level];
    LayerInfo up;
    up.name = name + ".up";
    up.in_channels = (*channels)[level + 1];
    up.out_channels = out;
    up.kernel = up.stride = 2;
    up.transposed = true;
    layers.push_back(up);
    AddBlock(name, 2 * out, out, &layers);
  }
  layers.front().role = LayerRole::kFirst;
  layers[layers.size() - 2].role = LayerRole::kLast;  // Before its norm.
  LayerInfo output;
  output.name = "out";
  output.role = LayerRole::kOutput;
  output.in_channels = channels->front();
  layers.push_back(output);
  return layers;
}

}  // namespace cnn_fp4::nn
