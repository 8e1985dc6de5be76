#include "experiments/arm_record.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

// Metrics keep their order.
using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;

Json Number(double value) {
  return Json::parse(base::NumberToJson(value).dump());
}

// A number that is there; it may be NaN. Throws for anything else.
double NumberFrom(const Json& value) {
  const std::optional<double> number = base::NumberFromJson(value);
  if (!number.has_value()) value.get<double>();
  return *number;
}

Json MetricsToJson(const std::vector<train::Metric>& metrics) {
  Json object = Json::object();
  for (const train::Metric& metric : metrics) {
    object[metric.key] = {{"title", metric.title},
                          {"unit", metric.unit},
                          {"value", Number(metric.value)},
                          {"higher_is_better", metric.higher_is_better},
                          {"headline", metric.headline},
                          {"in_table", metric.in_table}};
  }
  return object;
}

std::vector<train::Metric> MetricsFrom(const Json& object) {
  std::vector<train::Metric> metrics;
  for (const auto& [key, value] : object.items()) {
    train::Metric metric;
    metric.key = key;
    metric.title = value.at("title");
    metric.unit = value.at("unit");
    metric.value = NumberFrom(value.at("value"));
    metric.higher_is_better = value.at("higher_is_better");
    metric.headline = value.at("headline");
    metric.in_table = value.at("in_table");
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

void PutIfThere(const char* key, const std::optional<double>& value,
                Json* object) {
  if (value.has_value()) (*object)[key] = Number(*value);
}

std::optional<double> IfThere(const char* key, const Json& object) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  return NumberFrom(*found);
}

}  // namespace

std::string ToJson(const ArmRecord& record) {
  Json object = {
      {"schema_version", kSchemaVersion},
      {"arm", record.arm},
      {"policy", record.policy},
      {"experiment", record.experiment},
      {"digest", record.digest},
      {"seed", record.seed},
      {"num_parameters", record.num_parameters},
      {"steps", record.steps},
      {"skipped_steps", record.skipped_steps},
      {"finished", record.finished},
  };
  PutIfThere("train_loss", record.train_loss, &object);
  object["metrics"] = MetricsToJson(record.metrics);
  PutIfThere("best", record.best, &object);
  if (!record.layer_means.empty()) {
    Json& means = object["layer_means"];
    for (const auto& [key, value] : record.layer_means) {
      means[key] = Number(value);
    }
  }
  PutIfThere("median_step_seconds", record.median_step_seconds, &object);
  object["train_seconds"] = Number(record.train_seconds);
  object["cpu"] = record.cpu;
  object["device"] = record.device;
  if (record.threads.has_value()) object["threads"] = *record.threads;
  object["git_revision"] = record.git_revision;
  object["libtorch"] = record.libtorch_version;
  return object.dump(2);
}

absl::StatusOr<ArmRecord> ParseArmRecord(absl::string_view text) try {
  // What follows may rely on the depth.
  if (const auto checked = base::ParseJson(text); !checked.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is no arm.json: ", checked.status().message()));
  }
  const Json object = Json::parse(text.begin(), text.end());
  if (const int64_t version =
          base::IntegerFromJson(object.at("schema_version"));
      version != kSchemaVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("its schema_version is ", version, "; this program reads ",
                     kSchemaVersion));
  }
  ArmRecord record;
  record.arm = object.at("arm");
  record.policy = object.at("policy");
  record.experiment = object.at("experiment");
  record.digest = object.at("digest");
  record.seed = base::IntegerFromJson(object.at("seed"));
  record.num_parameters = base::IntegerFromJson(object.at("num_parameters"));
  record.steps = base::IntegerFromJson(object.at("steps"));
  record.skipped_steps = base::IntegerFromJson(object.at("skipped_steps"));
  record.finished = object.at("finished");
  record.train_loss = IfThere("train_loss", object);
  record.metrics = MetricsFrom(object.at("metrics"));
  record.best = IfThere("best", object);
  if (const auto means = object.find("layer_means"); means != object.end()) {
    for (const auto& [key, value] : means->get_ref<const Json::object_t&>()) {
      record.layer_means[key] = NumberFrom(value);
    }
  }
  record.median_step_seconds = IfThere("median_step_seconds", object);
  record.train_seconds = NumberFrom(object.at("train_seconds"));
  record.cpu = object.at("cpu");
  record.device = object.at("device");
  if (const auto threads = object.find("threads"); threads != object.end()) {
    record.threads = base::IntegerFromJson(*threads);
  }
  record.git_revision = object.at("git_revision");
  record.libtorch_version = object.at("libtorch");
  return record;
} catch (const nlohmann::json::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("it is no arm.json: ", error.what()));
}

}  // namespace cnn_fp4::experiments
