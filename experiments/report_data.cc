#include "experiments/report_data.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "telemetry/record.h"
#include "telemetry/sinks/metrics_reader.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::TensorKind;

absl::Status Add(const telemetry::MetricsLine& line, ReportArms& arms) {
  if (line.type == "scalars") {
    const auto scalars = telemetry::ParseScalars(line.json);
    if (!scalars.ok()) return scalars.status();
    for (const auto& [key, number] : scalars->values) {
      arms[line.model].scalars[key].emplace_back(
          static_cast<double>(scalars->step), number.value());
    }
  } else if (line.type == "layer_stats") {
    const auto stats = telemetry::ParseLayerStats(line.json);
    if (!stats.ok()) return stats.status();
    ReportLayer& layer = arms[line.model].At(stats->layer);
    auto& last =
        (stats->recipe.empty() ? layer.last
                               : layer.what_if[stats->recipe])[stats->tensor];
    last.clear();
    last.insert(stats->values.begin(), stats->values.end());
  } else if (line.type == "histogram") {
    auto histogram = telemetry::ParseLayerHistogram(line.json);
    if (!histogram.ok()) return histogram.status();
    auto& by_step = arms[line.model]
                        .At(histogram->layer)
                        .histograms[{histogram->tensor, histogram->of}];
    const int64_t step = histogram->step;
    by_step[step] = *std::move(histogram);
  }
  if (line.type == "weight_sample") {
    auto sample = telemetry::ParseWeightSample(line.json);
    if (!sample.ok()) return sample.status();
    auto& weights = arms[line.model].At(sample->layer).weights;
    weights.push_back(*std::move(sample));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<double> FindFinite(const LayerNumbers& numbers, TensorKind kind,
                                 telemetry::StatId id) {
  const auto values = numbers.find(kind);
  if (values == numbers.end()) return std::nullopt;
  const auto value = values->second.find(id);
  if (value == values->second.end() || !std::isfinite(value->second)) {
    return std::nullopt;
  }
  return value->second;
}

ReportLayer& ReportArm::At(const std::string& layer) {
  if (layers.count(layer) == 0) order.push_back(layer);
  return layers[layer];
}

absl::StatusOr<ReportArms> ReadReportData(const std::string& metrics_path) {
  ReportArms arms;
  const absl::Status status = telemetry::ReadMetrics(
      metrics_path,
      [&arms](const telemetry::MetricsLine& line) { return Add(line, arms); });
  if (!status.ok()) return status;
  return arms;
}

}  // namespace cnn_fp4::experiments
