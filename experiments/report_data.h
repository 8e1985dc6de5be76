#ifndef EXPERIMENTS_REPORT_DATA_H_
#define EXPERIMENTS_REPORT_DATA_H_

// What pages show of a run's metrics.jsonl, in memory: of each arm the curves,
// the statistics of its layers at the last step at which they were taken, and
// the histograms of their tensors.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "telemetry/histogram.h"
#include "telemetry/statistics.h"
#include "telemetry/weight_sample.h"

namespace cnn_fp4::experiments {

using HistogramsByStep = std::map<int64_t, telemetry::LayerHistogram>;

using LayerNumbers =
    std::map<telemetry::TensorKind, std::map<telemetry::StatId, double>>;

// nullopt for a number that is not there or not finite.
std::optional<double> FindFinite(const LayerNumbers& numbers,
                                 telemetry::TensorKind kind,
                                 telemetry::StatId id);

struct ReportLayer {
  LayerNumbers last;
  // What recipes would do that are not in use, by their names.
  std::map<std::string, LayerNumbers> what_if;
  // None of them without steps.
  std::map<std::pair<telemetry::TensorKind, telemetry::HistogramOf>,
           HistogramsByStep>
      histograms;
  // The weight element by element, by increasing steps.
  std::vector<telemetry::WeightSample> weights;
};

struct ReportArm {
  // By key ("train/loss"), the steps and the values.
  std::map<std::string, std::vector<std::pair<double, double>>> scalars;
  std::vector<std::string> order;  // Of the layers: the net's.
  std::map<std::string, ReportLayer> layers;

  // Makes it if need be.
  ReportLayer& At(const std::string& layer);
};

using ReportArms = std::map<std::string, ReportArm>;

// By the arms' keys; records of no arm are under "". Errors:
// telemetry::ReadMetrics'.
absl::StatusOr<ReportArms> ReadReportData(const std::string& metrics_path);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_REPORT_DATA_H_
