#include "train/arm_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

using base::NumberToJson;
using nlohmann::json;

// A number that is there; it may be NaN. Throws for null, as for what is none.
double Number(const json& value) {
  return value.is_null() ? value.get<double>() : *base::NumberFromJson(value);
}

json Numbers(const std::vector<double>& values) {
  json array = json::array();
  for (const double value : values) array.push_back(NumberToJson(value));
  return array;
}

std::vector<double> NumbersFrom(const json& array) {
  std::vector<double> values;
  for (const json& value : array) values.push_back(Number(value));
  return values;
}

json ToJson(const Metric& metric) {
  return {{"key", metric.key},
          {"title", metric.title},
          {"unit", metric.unit},
          {"value", NumberToJson(metric.value)},
          {"higher_is_better", metric.higher_is_better},
          {"headline", metric.headline},
          {"in_table", metric.in_table}};
}

Metric MetricFrom(const json& j) {
  Metric metric;
  metric.key = j.at("key");
  metric.title = j.at("title");
  metric.unit = j.at("unit");
  metric.value = Number(j.at("value"));
  metric.higher_is_better = j.at("higher_is_better");
  metric.headline = j.at("headline");
  metric.in_table = j.at("in_table");
  return metric;
}

void Append(double value, size_t window, std::vector<double>* values) {
  values->push_back(value);
  if (values->size() > window) values->erase(values->begin());
}

}  // namespace

void StepTimes::Add(double seconds, bool was_measured) {
  Append(seconds, kWindow, was_measured ? &measured : &plain);
}

double StepTimes::Median() const {
  std::vector<double> values = plain.empty() ? measured : plain;
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string ArmStateToJson(const ArmState& state) {
  json layer_means = json::object();
  for (const auto& [key, value] : state.layer_means) {
    layer_means[key] = NumberToJson(value);
  }
  json metrics = json::array();
  for (const Metric& metric : state.metrics) metrics.push_back(ToJson(metric));
  return json{
      {"steps_done", state.steps_done},
      {"scale", NumberToJson(state.scaler.scale)},
      {"good_steps", state.scaler.good_steps},
      {"skipped_steps", state.scaler.skipped_steps},
      {"losses", Numbers(state.losses)},
      {"step_seconds", Numbers(state.step_times.plain)},
      {"measured_step_seconds", Numbers(state.step_times.measured)},
      {"train_seconds", state.train_seconds},
      {"best", NumberToJson(state.best)},
      {"metrics", std::move(metrics)},
      {"validated_at", state.validated_at},
      {"layer_means", std::move(layer_means)},
  }
      .dump();
}

absl::Status ArmStateFromJson(const std::string& text, ArmState* state) try {
  const absl::StatusOr<json> parsed = base::ParseJson(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the checkpoint's metadata: ", parsed.status().message()));
  }
  const json& j = *parsed;
  ArmState s;
  s.steps_done = base::IntegerFromJson(j.at("steps_done"));
  s.scaler.scale = Number(j.at("scale"));
  s.scaler.good_steps = base::IntegerFromJson(j.at("good_steps"));
  s.scaler.skipped_steps = base::IntegerFromJson(j.at("skipped_steps"));
  s.losses = NumbersFrom(j.at("losses"));
  s.step_times.plain = NumbersFrom(j.at("step_seconds"));
  s.step_times.measured = NumbersFrom(j.at("measured_step_seconds"));
  s.train_seconds = j.at("train_seconds");
  s.best = base::NumberFromJson(j.at("best"));
  for (const json& metric : j.at("metrics").get_ref<const json::array_t&>()) {
    s.metrics.push_back(MetricFrom(metric));
  }
  // A checkpoint of an older version has none of what follows; it was written
  // after the validation.
  const auto validated_at = j.find("validated_at");
  s.validated_at = validated_at == j.end()
                       ? s.steps_done
                       : base::IntegerFromJson(*validated_at);
  if (const auto means = j.find("layer_means"); means != j.end()) {
    for (const auto& [key, value] : means->get_ref<const json::object_t&>()) {
      s.layer_means[key] = Number(value);
    }
  }
  *state = std::move(s);
  return absl::OkStatus();
} catch (const json::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("the checkpoint's metadata: ", error.what()));
}

}  // namespace cnn_fp4::train
