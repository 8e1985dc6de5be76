#include "telemetry/sinks/replay.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/metrics_reader.h"

namespace cnn_fp4::telemetry {
namespace {

template <typename T>
absl::StatusOr<std::optional<Payload>> Found(absl::StatusOr<T> parsed) {
  if (!parsed.ok()) return parsed.status();
  return std::optional<Payload>(*std::move(parsed));
}

// nullopt: of a kind that is not replayed.
absl::StatusOr<std::optional<Payload>> Parse(const MetricsLine& line) {
  if (line.type == "scalars") return Found(ParseScalars(line.json));
  if (line.type == "layer_stats") {
    if (line.model.empty()) return absl::DataLossError("\"model\" is missing");
    return Found(ParseLayerStats(line.json));
  }
  if (line.type == "histogram") {
    if (line.model.empty()) return absl::DataLossError("\"model\" is missing");
    return Found(ParseLayerHistogram(line.json));
  }
  if (line.type == "weight_sample") {
    if (line.model.empty()) return absl::DataLossError("\"model\" is missing");
    return Found(ParseWeightSample(line.json));
  }
  if (line.type == "system") return Found(ParseSystemStats(line.json));
  if (line.type == "text") return Found(ParseText(line.json));
  if (line.type == "config") return Found(ParseConfig(line.json));
  return std::nullopt;
}

}  // namespace

absl::Status Replay(const std::string& metrics_path, Sink& sink) {
  return ReadMetrics(metrics_path, [&sink](const MetricsLine& line) {
    absl::StatusOr<std::optional<Payload>> payload = Parse(line);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value()) return absl::OkStatus();
    return sink.Write({**std::move(payload), line.model, line.time});
  });
}

}  // namespace cnn_fp4::telemetry
