#include "train/arm_state.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

using nlohmann::json;

// A class that does not occur has no score: NaN, which is null in JSON.
json Scores(const std::vector<double>& values) {
  json array = json::array();
  for (const double value : values) {
    array.push_back(std::isnan(value) ? json(nullptr) : json(value));
  }
  return array;
}

double Score(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                         : value.get<double>();
}

std::vector<double> ScoresFrom(const json& array) {
  std::vector<double> values;
  for (const json& value : array) values.push_back(Score(value));
  return values;
}

}  // namespace

std::string ArmStateToJson(const ArmState& state) {
  const ValidationScore& v = state.validation;
  return json{
      {"steps_done", state.steps_done},
      {"scale", state.scaler.scale},
      {"good_steps", state.scaler.good_steps},
      {"skipped_steps", state.scaler.skipped_steps},
      {"losses", state.losses},
      {"step_seconds", state.step_seconds},
      {"train_seconds", state.train_seconds},
      {"best_mean_iou", state.best_mean_iou},
      {"validation",
       {{"loss", v.loss},
        {"means", Scores({v.mean_iou, v.mean_dice})},
        {"iou", Scores(v.iou)},
        {"dice", Scores(v.dice)}}},
  }
      .dump();
}

absl::Status ArmStateFromJson(const std::string& text, ArmState* state) try {
  const json j = json::parse(text);
  ArmState s;
  s.steps_done = j.at("steps_done");
  s.scaler.scale = j.at("scale");
  s.scaler.good_steps = j.at("good_steps");
  s.scaler.skipped_steps = j.at("skipped_steps");
  s.losses = j.at("losses").get<std::vector<double>>();
  s.step_seconds = j.at("step_seconds").get<std::vector<double>>();
  s.train_seconds = j.at("train_seconds");
  s.best_mean_iou = j.at("best_mean_iou");
  const json& v = j.at("validation");
  s.validation.loss = v.at("loss");
  s.validation.mean_iou = Score(v.at("means").at(0));
  s.validation.mean_dice = Score(v.at("means").at(1));
  s.validation.iou = ScoresFrom(v.at("iou"));
  s.validation.dice = ScoresFrom(v.at("dice"));
  *state = std::move(s);
  return absl::OkStatus();
} catch (const json::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("the checkpoint's metadata: ", error.what()));
}

}  // namespace cnn_fp4::train
