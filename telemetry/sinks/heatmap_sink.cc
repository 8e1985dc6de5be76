#include "telemetry/sinks/heatmap_sink.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "telemetry/sinks/weight_map.h"
#include "viz/heatmap.h"

namespace cnn_fp4::telemetry {
namespace {

viz::HeatmapScale ColorScale(StatScale scale) {
  switch (scale) {
    case StatScale::kLinear:
      return viz::HeatmapScale::kLinear;
    case StatScale::kLog:
      return viz::HeatmapScale::kLog;
    case StatScale::kPercent:
      return viz::HeatmapScale::kPercent;
    case StatScale::kSymmetric:
      return viz::HeatmapScale::kSymmetric;
  }
  LOG(FATAL) << "no colours for scale " << static_cast<int>(scale);
}

}  // namespace

HeatmapSink::HeatmapSink(HeatmapSinkOptions options)
    : options_(std::move(options)) {}

std::unique_ptr<HeatmapSink> HeatmapSink::Create(HeatmapSinkOptions options) {
  return std::unique_ptr<HeatmapSink>(new HeatmapSink(std::move(options)));
}

void HeatmapSink::Fold(const std::string& arm_name, const LayerStats& stats) {
  Arm& arm = arms_[arm_name];
  arm.drawn = false;
  Tensor& tensor = arm.tensors[{stats.recipe, stats.tensor}];
  const auto found =
      std::find(tensor.layers.begin(), tensor.layers.end(), stats.layer);
  const size_t row = found - tensor.layers.begin();
  if (found == tensor.layers.end()) tensor.layers.push_back(stats.layer);
  for (const auto& [id, value] : stats.values) {
    std::vector<std::optional<double>>& column = tensor.tables[id][stats.step];
    if (column.size() <= row) column.resize(row + 1);
    column[row] = value;
  }
}

viz::HeatmapSet HeatmapSink::EmptySet(const std::string& arm,
                                      absl::string_view tensor) const {
  viz::HeatmapSet set;
  set.model = arm;
  set.tensor = std::string(tensor);
  set.task = options_.task;
  set.experiment = options_.experiment;
  return set;
}

viz::HeatmapSet HeatmapSink::HeatmapSet(const std::string& arm,
                                        const std::string& recipe,
                                        TensorKind kind,
                                        const Tensor& tensor) const {
  viz::HeatmapSet set = EmptySet(arm, Info(kind).title);
  if (!recipe.empty()) {
    absl::StrAppend(&set.tensor, ", if they were in ", recipe);
  }
  for (const auto& [id, table] : tensor.tables) {
    const StatInfo& info = Info(id);
    viz::Heatmap heatmap;
    heatmap.title = std::string(info.title);
    heatmap.statistic = std::string(info.key);
    heatmap.unit = std::string(info.unit);
    heatmap.description = std::string(info.description);
    heatmap.scale = ColorScale(info.scale);
    heatmap.rows = tensor.layers;
    for (const auto& [step, column] : table) heatmap.columns.push_back(step);
    for (size_t row = 0; row < tensor.layers.size(); ++row) {
      for (const auto& [step, column] : table) {
        heatmap.values.push_back(row < column.size() ? column[row]
                                                     : std::nullopt);
      }
    }
    set.statistics.push_back(std::move(heatmap));
  }
  return set;
}

const WeightSample* HeatmapSink::ChosenWeight(const Arm& arm) const {
  if (arm.weights.empty()) return nullptr;
  if (!options_.weight_map.empty()) {
    const auto found = arm.weights.find(options_.weight_map);
    return found == arm.weights.end() ? nullptr : &found->second;
  }
  const WeightSample* chosen = &arm.weights.begin()->second;
  const auto quantized = arm.tensors.find({"", TensorKind::kWeightsQuantized});
  if (quantized == arm.tensors.end()) return chosen;
  const Tensor& tensor = quantized->second;
  const auto table = tensor.tables.find(StatId::kSqnrCenteredDb);
  if (table == tensor.tables.end()) return chosen;
  double lowest = HUGE_VAL;
  const auto& last = table->second.rbegin()->second;
  for (size_t row = 0; row < last.size(); ++row) {
    const auto sample = arm.weights.find(tensor.layers[row]);
    // False for NaN, too.
    if (sample == arm.weights.end() || !last[row].has_value() ||
        !(*last[row] < lowest)) {
      continue;
    }
    lowest = *last[row];
    chosen = &sample->second;
  }
  return chosen;
}

absl::Status HeatmapSink::DrawCodesAndWeight(const std::string& name,
                                             const Arm& arm) const {
  viz::HeatmapSet codes = EmptySet(name, "FP4 values of all layers");
  codes.statistics = arm.codes.Heatmaps();
  if (!codes.statistics.empty()) {
    const absl::Status status = viz::WriteHeatmapSet(
        codes, absl::StrCat(options_.directory, "/", name, "/codes/",
                            options_.task, "_codes"));
    if (!status.ok()) return status;
  }
  const WeightSample* const sample = ChosenWeight(arm);
  if (sample == nullptr) return absl::OkStatus();
  viz::HeatmapSet weight =
      EmptySet(name, absl::StrCat("weight of ", sample->layer));
  weight.statistics = WeightMaps(*sample);
  return viz::WriteHeatmapSet(
      weight, absl::StrCat(options_.directory, "/", name, "/weights/map/",
                           options_.task, "_weight"));
}

absl::Status HeatmapSink::Draw(const std::string& name, Arm& arm) const {
  if (arm.drawn) return absl::OkStatus();
  for (const auto& [key, tensor] : arm.tensors) {
    const auto& [recipe, kind] = key;
    // Records without a number have layers and nothing to draw.
    if (tensor.tables.empty()) continue;
    const TensorKindInfo& info = Info(kind);
    const absl::Status status = viz::WriteHeatmapSet(
        HeatmapSet(name, recipe, kind, tensor),
        absl::StrCat(options_.directory, "/", name,
                     recipe.empty() ? "" : "/what_if/", recipe, "/",
                     info.directory, "/", options_.task, "_", info.file));
    if (!status.ok()) return status;
  }
  if (absl::Status status = DrawCodesAndWeight(name, arm); !status.ok()) {
    return status;
  }
  arm.drawn = true;
  return absl::OkStatus();
}

absl::Status HeatmapSink::Write(const Record& record) {
  if (const auto* stats = std::get_if<LayerStats>(&record.payload)) {
    CHECK(!record.model.empty())
        << "statistics of layer " << stats->layer << " of no arm";
    Fold(record.model, *stats);
  } else if (const auto* histogram =
                 std::get_if<LayerHistogram>(&record.payload)) {
    Arm& arm = arms_[record.model];
    arm.drawn = false;
    arm.codes.Fold(*histogram);
  } else if (const auto* sample = std::get_if<WeightSample>(&record.payload)) {
    Arm& arm = arms_[record.model];
    arm.drawn = false;
    arm.weights[sample->layer] = *sample;
  } else if (std::holds_alternative<ArmMeasured>(record.payload)) {
    const auto arm = arms_.find(record.model);
    if (arm != arms_.end()) return Draw(arm->first, arm->second);
  }
  return absl::OkStatus();
}

absl::Status HeatmapSink::Finish() {
  absl::Status status;
  for (auto& [name, arm] : arms_) status.Update(Draw(name, arm));
  return status;
}

std::string HeatmapSink::name() const {
  return absl::StrCat("heatmaps (", options_.directory, ")");
}

}  // namespace cnn_fp4::telemetry
