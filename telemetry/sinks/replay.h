#ifndef TELEMETRY_SINKS_REPLAY_H_
#define TELEMETRY_SINKS_REPLAY_H_

// What a sink that was opened anew for a resumed run must know of the time
// before: metrics.jsonl has it all, so that no sink keeps a state of its own or
// mends a file that a crash left behind.
//
//   std::unique_ptr<Sink> heatmaps = HeatmapSink::Create(options);
//   absl::Status status = Replay(run + "/metrics.jsonl", *heatmaps);

#include <string>

#include "absl/status/status.h"
#include "telemetry/sink.h"

namespace cnn_fp4::telemetry {

// Writes the measurements, texts and the configuration in `metrics_path` to
// `sink`, with the times at which they were logged. JsonlSink::Resume has
// removed from the file what will be measured again. Ends of arms and of the
// run, gaps, tables, pictures and pages are left out: a resumed run logs them
// once more.
// DataLoss naming file and line for a line that is no record; an error of the
// sink is returned with the same.
absl::Status Replay(const std::string& metrics_path, Sink& sink);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_REPLAY_H_
