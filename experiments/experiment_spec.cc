#include "experiments/experiment_spec.h"

#include <zlib.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "nn/conv_precision.h"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;

json ToJsonObject(const ExperimentSpec& spec) {
  json object = json::object();
  VisitFields(
      spec, [&](const char* name, const auto& field) { object[name] = field; });
  return object;
}

bool HasType(const json& value, const double&) { return value.is_number(); }
bool HasType(const json& value, const int64_t&) {
  return value.is_number_integer();
}
bool HasType(const json& value, const bool&) { return value.is_boolean(); }
bool HasType(const json& value, const std::string&) {
  return value.is_string();
}
bool HasType(const json& value, const std::vector<std::string>&) {
  if (!value.is_array()) return false;
  for (const json& element : value) {
    if (!element.is_string()) return false;
  }
  return true;
}

absl::Status Require(bool condition, absl::string_view field,
                     absl::string_view what) {
  if (condition) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " ", what));
}

}  // namespace

std::string ToJson(const ExperimentSpec& spec) {
  return ToJsonObject(spec).dump(2);
}

absl::StatusOr<ExperimentSpec> ParseExperimentSpec(absl::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("the configuration is not a JSON object");
  }
  ExperimentSpec spec;
  absl::Status status;
  std::set<std::string> known;
  VisitFields(spec, [&](const char* name, auto& field) {
    known.insert(name);
    const auto found = object.find(name);
    if (found == object.end()) {
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("the configuration lacks the key '", name, "'")));
    } else if (!HasType(*found, field)) {
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("the configuration's '", name,
                       "' has the wrong type: ", found->dump())));
    } else {
      found->get_to(field);
    }
  });
  for (const auto& [name, value] : object.items()) {
    if (known.count(name) > 0) continue;
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("the configuration has an unknown key '", name,
                     "'; known: ", absl::StrJoin(known, ", "))));
  }
  if (!status.ok()) return status;
  if (status = Validate(spec); !status.ok()) return status;
  return spec;
}

absl::Status Validate(const ExperimentSpec& spec) {
  absl::Status status;
  status.Update(Require(!spec.models.empty(), "models",
                        "must name at least one arm, e.g. fp16,nvfp4"));
  std::set<std::string> seen;
  for (const std::string& model : spec.models) {
    const absl::Status found = nn::FindConvPrecision(model).status();
    status.Update(Require(found.ok(), "models", found.message()));
    status.Update(Require(seen.insert(model).second, "models",
                          absl::StrCat("names ", model, " twice")));
  }
  status.Update(
      Require(spec.task == "semantic", "task", "can be 'semantic' only"));
  status.Update(Require(
      spec.model_scale_factor > 0 && spec.model_scale_factor <= 16,
      "model_scale_factor", "must be above 0 and at most 16, e.g. 0.25"));
  status.Update(
      Require(spec.batch_size >= 1, "batch_size", "must be at least 1"));
  status.Update(Require(spec.crop >= 16 && spec.crop % 16 == 0, "crop",
                        "must be a positive multiple of 16, e.g. 128"));
  status.Update(Require((spec.steps > 0) != (spec.epochs > 0), "steps",
                        "and epochs: give one of them, and 0 for the other"));
  status.Update(Require(spec.steps >= 0 && spec.epochs >= 0, "steps",
                        "and epochs must not be negative"));
  status.Update(
      Require(spec.learning_rate > 0, "learning_rate", "must be positive"));
  status.Update(Require(spec.final_learning_rate_fraction >= 0 &&
                            spec.final_learning_rate_fraction <= 1,
                        "final_learning_rate_fraction",
                        "must be between 0 and 1"));
  const auto not_negative = [&](absl::string_view field, double value) {
    status.Update(Require(value >= 0, field, "must not be negative"));
  };
  not_negative("warmup_steps", spec.warmup_steps);
  not_negative("weight_decay", spec.weight_decay);
  not_negative("max_gradient_norm", spec.max_gradient_norm);
  not_negative("dice_weight", spec.dice_weight);
  status.Update(Require(
      spec.foreground_probability >= 0 && spec.foreground_probability <= 1,
      "foreground_probability", "must be between 0 and 1"));
  not_negative("seed", spec.seed);
  not_negative("validate_every", spec.validate_every);
  not_negative("checkpoint_every", spec.checkpoint_every);
  status.Update(Require(spec.initial_loss_scale > 0, "initial_loss_scale",
                        "must be positive"));
  status.Update(Require(spec.ignore_index >= -1 && spec.ignore_index <= 65535,
                        "ignore_index",
                        "must be a mask value of 0 to 65535, or -1 for none"));
  status.Update(Require(spec.keep_checkpoints >= 1, "keep_checkpoints",
                        "must be at least 1"));
  return status;
}

std::string Digest(const ExperimentSpec& spec) {
  const std::string text = ToJson(spec);
  return absl::StrFormat("%08x",
                         crc32(0, reinterpret_cast<const Bytef*>(text.data()),
                               static_cast<uInt>(text.size())));
}

std::vector<std::string> FieldNames() {
  const ExperimentSpec spec;
  std::vector<std::string> names;
  VisitFields(spec,
              [&](const char* name, const auto&) { names.push_back(name); });
  return names;
}

absl::Status CheckName(absl::string_view name, const ExperimentSpec& spec) {
  std::string digits = absl::StrFormat("%.2f", spec.model_scale_factor);
  if (std::stod(digits) != spec.model_scale_factor) {
    digits = absl::StrFormat("%.3f", spec.model_scale_factor);
  }
  digits.erase(digits.find('.'), 1);
  const std::string ending =
      absl::StrCat(absl::StrJoin(spec.models, "_vs_"), "_s", digits);
  if (name == ending || absl::EndsWith(name, absl::StrCat("_", ending))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the experiment '", name, "' must be called [<data>_]", ending));
}

}  // namespace cnn_fp4::experiments
