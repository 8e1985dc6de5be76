#include "experiments/experiment_spec.h"

#include <zlib.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/spec_check.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using base::Require;
using nlohmann::json;

// A multiple of what the UNet's poolings divide by.
constexpr int64_t kCropMultiple = 16;

absl::Status CheckArms(const ExperimentSpec& spec,
                       absl::Span<const nn::LayerInfo> layers) {
  absl::Status status =
      Require(!spec.arms.empty(), "arms",
              "must name at least one policy, as in fp16,nvfp4");
  std::set<std::string> keys;
  for (const std::string& arm : spec.arms) {
    const absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(arm);
    absl::Status resolved = policy.status();
    if (resolved.ok()) resolved = policy->Resolve(layers).status();
    if (!resolved.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("arms: ", resolved.message()));
    }
    status.Update(Require(keys.insert(policy->Key()).second, "arms",
                          absl::StrCat("has '", arm, "' twice")));
  }
  return status;
}

nn::Policy ParsedArm(const std::string& arm) {
  absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(arm);
  CHECK(policy.ok()) << policy.status();
  return *std::move(policy);
}

}  // namespace

absl::StatusOr<ExperimentSpec> ParseExperimentSpec(absl::string_view text) {
  absl::StatusOr<ExperimentSpec> spec = base::FromJson<ExperimentSpec>(text);
  if (!spec.ok()) return spec;
  if (absl::Status status = Check(*spec); !status.ok()) return status;
  return spec;
}

absl::Status Check(const ExperimentSpec& spec) {
  ExperimentSpec copy = spec;
  absl::Status status = base::CheckValues(base::Fields(copy));
  if (!status.ok()) return status;
  const absl::StatusOr<std::vector<nn::LayerInfo>> layers =
      nn::Layers(spec.net);
  status.Update(layers.status());
  if (layers.ok()) status.Update(CheckArms(spec, *layers));
  status.Update(Check(spec.data));
  status.Update(Check(spec.batch));
  status.Update(Require(
      spec.batch.crop % kCropMultiple == 0, "crop",
      absl::StrCat("must be a multiple of ", kCropMultiple, ", as in 128")));
  status.Update(Check(spec.train));
  status.Update(Check(spec.task));
  return status;
}

std::vector<std::string> ArmKeys(const ExperimentSpec& spec) {
  std::vector<std::string> keys;
  for (const std::string& arm : spec.arms) {
    keys.push_back(ParsedArm(arm).Key());
  }
  return keys;
}

std::string Resolved(const ExperimentSpec& spec,
                     const SpellOutFunction& spell_out) {
  const absl::StatusOr<std::vector<nn::LayerInfo>> layers =
      nn::Layers(spec.net);
  CHECK(layers.ok()) << layers.status();
  json resolved = json::object();
  for (const std::string& arm : spec.arms) {
    const absl::StatusOr<std::string> text = spell_out(ParsedArm(arm), *layers);
    CHECK(text.ok()) << text.status();
    resolved[arm] = json::parse(*text);
  }
  return resolved.dump(2);
}

std::string DigestOf(absl::string_view config, absl::string_view resolved) {
  const std::string text = absl::StrCat(config, "\n", resolved);
  return absl::StrFormat("%08x",
                         crc32(0, reinterpret_cast<const Bytef*>(text.data()),
                               static_cast<uInt>(text.size())));
}

std::string Digest(const ExperimentSpec& spec,
                   const SpellOutFunction& spell_out) {
  return DigestOf(base::ToJson(spec), Resolved(spec, spell_out));
}

absl::Status CheckName(absl::string_view name, const ExperimentSpec& spec) {
  const double factor = spec.net.model_scale_factor;
  std::string digits = absl::StrFormat("%.2f", factor);
  if (std::stod(digits) != factor) digits = absl::StrFormat("%.3f", factor);
  digits.erase(digits.find('.'), 1);
  const std::string ending =
      absl::StrCat(absl::StrJoin(ArmKeys(spec), "_vs_"), "_s", digits);
  if (name == ending || absl::EndsWith(name, absl::StrCat("_", ending))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the experiment '", name, "' must be called [<data>_]", ending));
}

}  // namespace cnn_fp4::experiments
