#include "experiments/layer_ranking.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::experiments {

using telemetry::StatId;
using telemetry::TensorKind;

std::optional<LayerRanking> RankLayers(const ReportArm& arm) {
  struct Row {
    double worse;
    std::string layer;
    const ReportLayer* numbers;
  };
  std::vector<Row> rows;
  for (const std::string& layer : arm.order) {
    const ReportLayer& numbers = arm.layers.at(layer);
    const auto x = FindFinite(numbers.last, TensorKind::kActivations,
                              StatId::kSqnrCenteredDb);
    const auto w = FindFinite(numbers.last, TensorKind::kWeightsQuantized,
                              StatId::kSqnrCenteredDb);
    if (!x.has_value() && !w.has_value()) continue;
    rows.push_back({std::min(x.value_or(INFINITY), w.value_or(INFINITY)), layer,
                    &numbers});
  }
  if (rows.empty()) return std::nullopt;
  absl::c_stable_sort(
      rows, [](const Row& a, const Row& b) { return a.worse < b.worse; });
  LayerRanking ranking;
  ranking.table =
      base::Table({"layer", "activations, dB about the mean",
                   "activations, SQNR in dB", "activations, underflow in %",
                   "weights, dB about the mean", "weights, SQNR in dB"});
  const std::pair<TensorKind, StatId> columns[] = {
      {TensorKind::kActivations, StatId::kSqnrCenteredDb},
      {TensorKind::kActivations, StatId::kSqnrDb},
      {TensorKind::kActivations, StatId::kUnderflowPct},
      {TensorKind::kWeightsQuantized, StatId::kSqnrCenteredDb},
      {TensorKind::kWeightsQuantized, StatId::kSqnrDb},
  };
  for (const Row& row : rows) {
    std::vector<base::Cell> cells = {row.layer};
    for (const auto& [kind, id] : columns) {
      const auto value = FindFinite(row.numbers->last, kind, id);
      cells.push_back(value.has_value() ? base::Cell(*value, 1)
                                        : base::Cell(""));
    }
    ranking.table.AddRow(std::move(cells));
  }
  ranking.worst = rows[0].layer;
  ranking.worst_db = rows[0].worse;
  ranking.middle_db = rows[rows.size() / 2].worse;
  return ranking;
}

}  // namespace cnn_fp4::experiments
