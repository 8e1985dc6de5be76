#include "nn/precision/policy.h"

#include <fnmatch.h>
#include <zlib.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"
#include "nn/precision/operand_format.h"

namespace cnn_fp4::nn {
namespace {

constexpr absl::string_view kPatternCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-*?";

// A setting of the whole policy, where a pattern stands otherwise.
constexpr absl::string_view kLossScaling = "loss_scaling";

// A block of NVFP4.
constexpr int64_t kMinChannelsOfAnFp4Group = 16;

const NamedPolicy* FindNamed(absl::string_view name) {
  for (const NamedPolicy& policy : Policies()) {
    if (policy.name == name) return &policy;
  }
  return nullptr;
}

std::string KnownPolicies() {
  return absl::StrJoin(Policies(), ", ",
                       [](std::string* out, const NamedPolicy& policy) {
                         absl::StrAppend(out, policy.name);
                       });
}

// The input of a normalisation.
constexpr absl::string_view kNormInput = "x";

std::string KnownOperands() {
  return absl::StrCat(absl::StrJoin(kOperands, ", ",
                                    [](std::string* out, Operand operand) {
                                      absl::StrAppend(out,
                                                      OperandName(operand));
                                    }),
                      ", and ", kNormInput, " of a normalisation");
}

absl::StatusOr<LossScaling> ParseLossScaling(absl::string_view text) {
  for (const LossScaling scaling :
       {LossScaling::kOff, LossScaling::kStatic, LossScaling::kDynamic}) {
    if (ToString(scaling) == text) return scaling;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "loss_scaling is '", text, "'; known: off, static, dynamic"));
}

absl::StatusOr<ConvPrecision> ParseLayerFormat(absl::string_view text) {
  if (const auto plain = FindPlainFormat(text); plain.has_value()) {
    return ConvPrecision::Plain(*plain);
  }
  if (const NamedPolicy* const named = FindNamed(text); named != nullptr) {
    return named->precision;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", text,
      "' is no format of a layer: give fp32, fp16, bf16 or a policy (",
      KnownPolicies(), "), or name an operand, as in ",
      "enc1.conv1/fprop_x=nvfp4"));
}

bool HasWildcard(absl::string_view pattern) {
  return absl::StrContains(pattern, '*') || absl::StrContains(pattern, '?');
}

bool Meets(const std::string& pattern, const LayerInfo& layer) {
  if (pattern == "first") return layer.role == LayerRole::kFirst;
  if (pattern == "last") return layer.role == LayerRole::kLast;
  if (layer.role == LayerRole::kOutput && HasWildcard(pattern)) return false;
  return fnmatch(pattern.c_str(), layer.name.c_str(), 0) == 0;
}

// Blocks stay within a group, so blocks of small groups are mostly padding and
// say little about the format.
absl::Status CheckGroups(const LayerInfo& layer,
                         const ConvPrecision& precision) {
  const int64_t channels =
      std::min(layer.in_channels, layer.out_channels) / layer.groups;
  if (layer.groups == 1 || channels >= kMinChannelsOfAnFp4Group ||
      !precision.quantized()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("layer ", layer.name, " has groups of ", channels,
                   " channels, fewer than the ", kMinChannelsOfAnFp4Group,
                   " of a block; give it another format (", layer.name,
                   "=bf16) or name it to have it in FP4 all the same"));
}

// A rotation cancels only where both operands of the GEMM have it.
absl::Status CheckRotation(const LayerInfo& layer,
                           const ConvPrecision& precision) {
  const auto rotated = [&](Operand operand) {
    const OperandFormat* const format = precision.Get(operand);
    return format != nullptr && format->rotated();
  };
  const bool dy = rotated(Operand::kWgradDy);
  if (dy == rotated(Operand::kWgradX)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "in layer ", layer.name, " ", dy ? "wgrad_dy" : "wgrad_x",
      " is rotated and ", dy ? "wgrad_x" : "wgrad_dy",
      " is not, so the rotation does not cancel; give both a recipe with +rht "
      "or none"));
}

std::string Describe(const LayerInfo& layer) {
  return absl::StrCat(
      layer.name, " ", layer.kernel, "x", layer.kernel,
      layer.transposed ? " transposed" : "", " convolution, ",
      layer.in_channels, " to ",
      layer.out_channels == 0 ? "classes" : absl::StrCat(layer.out_channels),
      " channels, stride ", layer.stride,
      layer.groups == 1 ? "" : absl::StrCat(", groups ", layer.groups));
}

}  // namespace

absl::string_view ToString(LossScaling scaling) {
  switch (scaling) {
    case LossScaling::kOff:
      return "off";
    case LossScaling::kStatic:
      return "static";
    case LossScaling::kDynamic:
      return "dynamic";
  }
  LOG(FATAL) << "no text for loss scaling " << static_cast<int>(scaling);
}

absl::StatusOr<Policy> Policy::Parse(absl::string_view text) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy '", text, "': ", what));
  };
  Policy policy;
  policy.text_ = std::string(text);
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  policy.base_ = FindNamed(parts[0]);
  if (policy.base_ == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown policy '", parts[0], "'; known: ", KnownPolicies()));
  }
  policy.loss_scaling_ = policy.base_->loss_scaling;
  if (!policy.base_->overrides.empty()) {
    for (const absl::string_view part :
         absl::StrSplit(policy.base_->overrides, ':')) {
      absl::StatusOr<Override> override = ParseOverride(part);
      if (!override.ok()) return error(override.status().message());
      override->of_name = true;
      policy.overrides_.push_back(*std::move(override));
    }
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    absl::string_view part = parts[i];
    if (absl::ConsumePrefix(&part, absl::StrCat(kLossScaling, "="))) {
      const absl::StatusOr<LossScaling> scaling = ParseLossScaling(part);
      if (!scaling.ok()) return error(scaling.status().message());
      policy.loss_scaling_ = *scaling;
      continue;
    }
    absl::StatusOr<Override> override = ParseOverride(parts[i]);
    if (!override.ok()) return error(override.status().message());
    policy.overrides_.push_back(*std::move(override));
  }
  return policy;
}

absl::StatusOr<Policy::Override> Policy::ParseOverride(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(sides.first, absl::MaxSplits('/', 1));
  Override override;
  override.pattern = std::string(target.first);
  if (override.pattern.empty() || sides.second.empty() ||
      target.first.find_first_not_of(kPatternCharacters) !=
          absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text,
                     "' is not PATTERN[/OPERAND]=FORMAT, as in first=bf16 or "
                     "enc1.conv1/fprop_x=bf16"));
  }
  if (!absl::StrContains(sides.first, '/')) {
    absl::StatusOr<ConvPrecision> precision = ParseLayerFormat(sides.second);
    if (!precision.ok()) return precision.status();
    override.precision = *std::move(precision);
    return override;
  }
  override.of_norms = target.second == kNormInput;
  override.operand =
      override.of_norms ? std::nullopt : FindOperand(target.second);
  if (!override.of_norms && !override.operand.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown operand '", target.second, "'; known: ", KnownOperands()));
  }
  absl::StatusOr<OperandFormat> format = ParseOperandFormat(
      sides.second, override.operand.value_or(Operand::kFpropX));
  if (!format.ok()) return format.status();
  override.format = *std::move(format);
  return override;
}

std::string Policy::Key() const {
  if (!absl::StrContains(text_, ':')) return text_;
  std::string slug;
  for (const char c : text_) {
    const char lower = absl::ascii_tolower(c);
    slug += absl::ascii_isalnum(lower) || lower == '.' || lower == '_' ? lower
                                                                       : '-';
  }
  const uint32_t checksum =
      crc32(0, reinterpret_cast<const Bytef*>(text_.data()),
            static_cast<uInt>(text_.size()));
  return absl::StrFormat("%s-%04x", slug, checksum & 0xffff);
}

absl::StatusOr<std::vector<ConvPrecision>> Policy::Resolve(
    absl::Span<const LayerInfo> layers) const {
  std::vector<ConvPrecision> precisions;
  for (const LayerInfo& layer : layers) {
    precisions.push_back(layer.role == LayerRole::kNorm     ? ConvPrecision()
                         : layer.role == LayerRole::kOutput ? base_->output
                                                            : base_->precision);
  }
  std::vector<bool> named(layers.size(), false);
  for (const Override& override : overrides_) {
    bool met = false;
    for (size_t i = 0; i < layers.size(); ++i) {
      const bool is_norm = layers[i].role == LayerRole::kNorm;
      if (is_norm != override.of_norms || !Meets(override.pattern, layers[i])) {
        continue;
      }
      met = true;
      if (override.pattern == layers[i].name) named[i] = true;
      if (is_norm) {
        precisions[i].fprop_x = override.format;
      } else if (override.operand.has_value()) {
        precisions[i].Set(*override.operand, override.format);
      } else {
        // The results' format is the named policy's alone.
        const PlainFormat result = precisions[i].result;
        precisions[i] = override.precision;
        precisions[i].result = result;
      }
    }
    if (met || override.of_name) continue;
    std::vector<std::string> names;
    for (const LayerInfo& layer : layers) {
      if ((layer.role == LayerRole::kNorm) == override.of_norms) {
        names.push_back(layer.name);
      }
    }
    const absl::string_view kind =
        override.of_norms ? "normalisation" : "layer";
    return absl::InvalidArgumentError(
        absl::StrCat("policy '", text_, "': the pattern '", override.pattern,
                     "' meets no ", kind, "; the ", kind, "s are ",
                     names.empty() ? "none" : absl::StrJoin(names, ", ")));
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    absl::Status status = CheckRotation(layers[i], precisions[i]);
    if (!named[i]) status.Update(CheckGroups(layers[i], precisions[i]));
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("policy '", text_, "': ", status.message()));
    }
  }
  return precisions;
}

absl::StatusOr<std::string> SpellOut(const Policy& policy,
                                     absl::Span<const LayerInfo> layers) {
  using nlohmann::json;
  const absl::StatusOr<std::vector<ConvPrecision>> precisions =
      policy.Resolve(layers);
  if (!precisions.ok()) return precisions.status();
  json groups = json::array();
  std::vector<ConvPrecision> seen;
  // Normalisations whose input is not in FP32.
  json norms = json::object();
  for (size_t i = 0; i < layers.size(); ++i) {
    const ConvPrecision& precision = (*precisions)[i];
    if (layers[i].role == LayerRole::kNorm) {
      if (!(precision == ConvPrecision())) {
        norms[layers[i].name] = ToString(precision.fprop_x);
      }
      continue;
    }
    const size_t group =
        std::find(seen.begin(), seen.end(), precision) - seen.begin();
    if (group == seen.size()) {
      seen.push_back(precision);
      json formats = {{"layers", json::array()},
                      {"result", std::string(ToString(precision.result))}};
      for (const Operand operand : kOperands) {
        const OperandFormat* const format = precision.Get(operand);
        formats[std::string(OperandName(operand))] =
            format == nullptr ? "the operand of fprop" : ToString(*format);
      }
      groups.push_back(std::move(formats));
    }
    groups[group]["layers"].push_back(Describe(layers[i]));
  }
  // Off and dynamic were all there was when the first digests were taken.
  json loss_scaling = policy.loss_scaling() == LossScaling::kDynamic;
  if (policy.loss_scaling() == LossScaling::kStatic) {
    loss_scaling = std::string(ToString(policy.loss_scaling()));
  }
  json text = {{std::string(kLossScaling), std::move(loss_scaling)},
               {"precisions", std::move(groups)}};
  if (!norms.empty()) text["norm_x"] = std::move(norms);
  return text.dump(2);
}

}  // namespace cnn_fp4::nn
