#include "viz/heatmap_json.h"

#include <string>
#include <utility>

#include "base/json_number.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::viz {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSchema[] = "cnn_fp4.heatmap_set";

const char* ScaleName(HeatmapScale scale) {
  switch (scale) {
    case HeatmapScale::kLinear:
      return "linear";
    case HeatmapScale::kLog:
      return "log";
    case HeatmapScale::kPercent:
      return "percent";
    case HeatmapScale::kSymmetric:
      return "symmetric";
  }
  return "linear";
}

Json HeatmapToJson(const Heatmap& heatmap) {
  Json values = Json::array();
  for (size_t row = 0; row < heatmap.rows.size(); ++row) {
    Json cells = Json::array();
    for (size_t col = 0; col < heatmap.columns.size(); ++col) {
      cells.emplace_back(base::NumberToJson(
          heatmap.values[row * heatmap.columns.size() + col]));
    }
    values.push_back(std::move(cells));
  }
  Json json = {{"statistic", heatmap.statistic},
               {"title", heatmap.title},
               {"unit", heatmap.unit},
               {"description", heatmap.description},
               {"scale", ScaleName(heatmap.scale)},
               {"layers", heatmap.rows},
               {"steps", heatmap.columns},
               {"values", std::move(values)}};
  const Heatmap layers_over_steps;
  if (heatmap.row_title != layers_over_steps.row_title ||
      heatmap.column_title != layers_over_steps.column_title) {
    json["row_title"] = heatmap.row_title;
    json["column_title"] = heatmap.column_title;
  }
  if (!heatmap.column_names.empty()) {
    json["column_names"] = heatmap.column_names;
  }
  return json;
}

}  // namespace

std::string ToJson(const HeatmapSet& set) {
  Json json = {{"schema", kSchema},
               {"schema_version", kHeatmapSchemaVersion},
               {"experiment", set.experiment},
               {"model", set.model},
               {"tensor", set.tensor},
               {"task", set.task},
               {"statistics", Json::array()}};
  for (const Heatmap& heatmap : set.statistics) {
    json["statistics"].push_back(HeatmapToJson(heatmap));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cnn_fp4::viz
