#include "train/arm_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/json_number.h"
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

json ToJson(const std::optional<ValidationScore>& score) {
  if (!score.has_value()) return nullptr;
  return {{"loss", NumberToJson(score->loss)},
          {"mean_iou", NumberToJson(score->mean_iou)},
          {"mean_dice", NumberToJson(score->mean_dice)},
          {"iou", Numbers(score->iou)},
          {"dice", Numbers(score->dice)}};
}

std::optional<ValidationScore> ScoreFrom(const json& j) {
  if (j.is_null()) return std::nullopt;
  ValidationScore score;
  score.loss = Number(j.at("loss"));
  score.mean_iou = Number(j.at("mean_iou"));
  score.mean_dice = Number(j.at("mean_dice"));
  score.iou = NumbersFrom(j.at("iou"));
  score.dice = NumbersFrom(j.at("dice"));
  return score;
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
  return json{
      {"steps_done", state.steps_done},
      {"scale", NumberToJson(state.scaler.scale)},
      {"good_steps", state.scaler.good_steps},
      {"skipped_steps", state.scaler.skipped_steps},
      {"losses", Numbers(state.losses)},
      {"step_seconds", Numbers(state.step_times.plain)},
      {"measured_step_seconds", Numbers(state.step_times.measured)},
      {"train_seconds", state.train_seconds},
      {"best_mean_iou", NumberToJson(state.best_mean_iou)},
      {"validation", ToJson(state.validation)},
  }
      .dump();
}

absl::Status ArmStateFromJson(const std::string& text, ArmState* state) try {
  const json j = json::parse(text);
  ArmState s;
  s.steps_done = j.at("steps_done");
  s.scaler.scale = Number(j.at("scale"));
  s.scaler.good_steps = j.at("good_steps");
  s.scaler.skipped_steps = j.at("skipped_steps");
  s.losses = NumbersFrom(j.at("losses"));
  s.step_times.plain = NumbersFrom(j.at("step_seconds"));
  s.step_times.measured = NumbersFrom(j.at("measured_step_seconds"));
  s.train_seconds = j.at("train_seconds");
  s.best_mean_iou = base::NumberFromJson(j.at("best_mean_iou"));
  s.validation = ScoreFrom(j.at("validation"));
  *state = std::move(s);
  return absl::OkStatus();
} catch (const json::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("the checkpoint's metadata: ", error.what()));
}

}  // namespace cnn_fp4::train
