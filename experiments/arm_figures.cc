#include "experiments/arm_figures.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "experiments/layer_ranking.h"
#include "nlohmann/json.hpp"
#include "telemetry/fp4_values.h"
#include "telemetry/statistics.h"
#include "viz/colormap.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::StatId;
using telemetry::TensorKind;
using Json = nlohmann::ordered_json;

// Of Okabe and Ito, for the colour-blind, too.
constexpr char kBlue[] = "#0072b2";
constexpr char kOrange[] = "#d55e00";

std::string Figure(Json data, Json layout) {
  return Json{{"data", std::move(data)}, {"layout", std::move(layout)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

// JSON has no NaN: a gap.
Json Finite(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

std::string Loss(const std::string& name, const ReportArm& arm) {
  Json data = Json::array();
  const auto add = [&](const char* key, const char* title, const char* color,
                       const char* mode) {
    const auto found = arm.scalars.find(key);
    if (found == arm.scalars.end()) return;
    Json x = Json::array(), y = Json::array();
    for (const auto& [step, value] : found->second) {
      x.push_back(step);
      y.push_back(Finite(value));
    }
    data.push_back({{"type", "scatter"},
                    {"mode", mode},
                    {"name", title},
                    {"line", {{"color", color}}},
                    {"x", std::move(x)},
                    {"y", std::move(y)}});
  };
  add("train/loss", "training", kBlue, "lines");
  add("val/loss", "validation", kOrange, "lines+markers");
  if (data.empty()) return "";
  return Figure(std::move(data),
                {{"title", {{"text", absl::StrCat(name, ": loss")}}},
                 {"xaxis", {{"title", {{"text", "step"}}}}},
                 {"yaxis", {{"title", {{"text", "loss"}}}}}});
}

// The layers of a ranking, the one that loses most first.
std::vector<std::string> Ranked(const LayerRanking& ranking) {
  std::vector<std::string> layers;
  for (const auto& row : ranking.table.rows()) layers.push_back(row[0].text());
  return layers;
}

std::string Layers(const std::string& name, const ReportArm& arm,
                   const std::vector<std::string>& ranked) {
  Json data = Json::array();
  const auto add = [&](TensorKind kind, const char* title, const char* color) {
    Json decibels = Json::array();
    for (const std::string& layer : ranked) {
      const auto value =
          FindFinite(arm.layers.at(layer).last, kind, StatId::kSqnrCenteredDb);
      decibels.push_back(value.has_value() ? Json(*value) : Json(nullptr));
    }
    data.push_back({{"type", "bar"},
                    {"orientation", "h"},
                    {"name", title},
                    {"marker", {{"color", color}}},
                    {"x", std::move(decibels)},
                    {"y", ranked}});
  };
  add(TensorKind::kActivations, "activations", kBlue);
  add(TensorKind::kWeightsQuantized, "weights", kOrange);
  return Figure(
      std::move(data),
      {{"title",
        {{"text", absl::StrCat(name, ": layers by what FP4 costs them")}}},
       {"xaxis", {{"title", {{"text", "lowest SQNR about the mean, dB"}}}}},
       {"yaxis", {{"autorange", "reversed"}, {"automargin", true}}},
       {"barmode", "group"}});
}

Json ColorScale() {
  Json scale = Json::array();
  const auto points = viz::ColormapPoints(viz::ColormapId::kVik);
  for (size_t i = 0; i < points.size(); ++i) {
    scale.push_back(
        {static_cast<double>(i) / static_cast<double>(points.size() - 1),
         viz::ToHex(points[i])});
  }
  return scale;
}

std::string Weight(const std::string& name,
                   const telemetry::WeightSample& sample) {
  const auto columns = static_cast<size_t>(sample.kept_columns());
  std::vector<double> raw, codes, dequantized;
  for (size_t i = 0; i < sample.values.size(); ++i) {
    raw.push_back(static_cast<double>(sample.values[i]));
    codes.push_back(telemetry::Fp4Value(sample.codes[i]));
    dequantized.push_back(codes[i] * static_cast<double>(sample.scales[i]));
  }
  double most = 0;
  for (const double value : raw) most = std::max(most, std::abs(value));
  Json data = Json::array();
  Json layout = {
      {"title",
       {{"text", absl::StrCat(name, ": weight of ", sample.layer,
                              " after step ", sample.step,
                              "; before quantisation, in FP4, de-quantised")}}},
      {"margin", {{"l", 0}, {"r", 0}, {"b", 0}}}};
  const auto add = [&](const char* scene, const std::vector<double>& values,
                       double range, double left, double right) {
    Json rows = Json::array();
    for (size_t at = 0; at < values.size(); at += columns) {
      Json row = Json::array();
      for (size_t i = at; i < at + columns; ++i) {
        row.push_back(Finite(values[i]));
      }
      rows.push_back(std::move(row));
    }
    data.push_back({{"type", "surface"},
                    {"scene", scene},
                    {"z", std::move(rows)},
                    {"cmin", -range},
                    {"cmax", range},
                    {"colorscale", ColorScale()},
                    {"showscale", false}});
    layout[scene] = {
        {"domain", {{"x", {left, right}}}},
        {"aspectmode", "cube"},
        {"xaxis", {{"title", {{"text", "place"}}}}},
        {"yaxis", {{"title", {{"text", "filter"}}}}},
        {"zaxis", {{"title", {{"text", ""}}}, {"range", {-range, range}}}}};
  };
  add("scene", raw, most, 0, 0.33);
  add("scene2", codes, 6, 0.34, 0.66);
  add("scene3", dequantized, most, 0.67, 1);
  return Figure(std::move(data), std::move(layout));
}

// The last sample of the weight whose filters FP4 costs most; null: there is
// none.
const telemetry::WeightSample* WorstWeight(const ReportArm& arm) {
  const telemetry::WeightSample* worst = nullptr;
  double lowest = INFINITY;
  for (const std::string& layer : arm.order) {
    const ReportLayer& numbers = arm.layers.at(layer);
    if (numbers.weights.empty()) continue;
    const double decibels =
        FindFinite(numbers.last, TensorKind::kWeightsQuantized,
                   StatId::kSqnrCenteredDb)
            .value_or(INFINITY);
    if (worst != nullptr && decibels >= lowest) continue;
    lowest = decibels;
    worst = &numbers.weights.back();
  }
  return worst;
}

}  // namespace

std::vector<ArmFigure> ArmFigures(const std::string& name,
                                  const ReportArm& arm) {
  std::vector<ArmFigure> figures;
  if (std::string loss = Loss(name, arm); !loss.empty()) {
    figures.push_back({"loss", std::move(loss)});
  }
  if (const std::optional<LayerRanking> ranking = RankLayers(arm)) {
    figures.push_back({"layers", Layers(name, arm, Ranked(*ranking))});
  }
  if (const telemetry::WeightSample* const worst = WorstWeight(arm)) {
    figures.push_back({"weight", Weight(name, *worst)});
  }
  return figures;
}

}  // namespace cnn_fp4::experiments
