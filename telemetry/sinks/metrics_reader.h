#ifndef TELEMETRY_SINKS_METRICS_READER_H_
#define TELEMETRY_SINKS_METRICS_READER_H_

// Reads metrics.jsonl, the record of a run (the format is in
// telemetry/sinks/jsonl_sink.h), line by line: a sink of a resumed run is
// given what was measured before the interruption (telemetry/sinks/replay.h).
// One line is in memory at a time, so that the length of a run does not matter.
//
//   absl::Status status = ReadMetrics(path, [&](const MetricsLine& line) {
//     if (line.type != "layer_stats") return absl::OkStatus();
//     absl::StatusOr<LayerStats> stats = ParseLayerStats(line.json);
//     if (!stats.ok()) return stats.status();
//     ...
//   });

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "telemetry/record.h"

namespace cnn_fp4::telemetry {

// Valid during the call of the visitor.
struct MetricsLine {
  absl::string_view text;       // Without '\n'.
  const nlohmann::json& json;   // An object.
  std::string type;             // "scalars", "layer_stats", ...
  std::string model;            // Empty: the whole run.
  std::optional<int64_t> step;  // Of records that have one.
  absl::Time time;              // InfinitePast: the line has none.
};

// Calls `visit` for each complete line, in order; a last line without '\n' was
// cut short by a crash and is left out. DataLoss naming file and line for a
// line that is no record: not a JSON object, nested more deeply than
// base/json_text.h allows, or with a "type", "model", "step" or "time" of
// another kind than above. An error of `visit` ends the reading
// and is returned with file and line before its message.
absl::Status ReadMetrics(
    const std::string& path,
    absl::FunctionRef<absl::Status(const MetricsLine&)> visit);

// The same of a stream; `path` is for messages.
absl::Status ReadMetrics(
    std::istream& stream, const std::string& path,
    absl::FunctionRef<absl::Status(const MetricsLine&)> visit);

// The payload of a line of type "layer_stats", "histogram", "weight_sample",
// "scalars", "system", "text", "config".
// DataLoss for a tensor or a statistic that telemetry/statistics.h does not
// know, and for parts that are missing or of another kind.
absl::StatusOr<LayerStats> ParseLayerStats(const nlohmann::json& json);
absl::StatusOr<LayerHistogram> ParseLayerHistogram(const nlohmann::json& json);
absl::StatusOr<WeightSample> ParseWeightSample(const nlohmann::json& json);
absl::StatusOr<Scalars> ParseScalars(const nlohmann::json& json);
absl::StatusOr<SystemStats> ParseSystemStats(const nlohmann::json& json);
absl::StatusOr<Text> ParseText(const nlohmann::json& json);
absl::StatusOr<Config> ParseConfig(const nlohmann::json& json);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_METRICS_READER_H_
