#ifndef TELEMETRY_SINKS_SINK_FACTORY_H_
#define TELEMETRY_SINKS_SINK_FACTORY_H_

// Which sinks there are beside metrics.jsonl, and how a run opens them. A sink
// is added by its file in this folder, a line of the table in sink_factory.cc,
// and what it needs to know of the run in SinkContext.
//
//   absl::Status status = CheckSinkNames({"heatmaps"});
//   std::vector<std::unique_ptr<Sink>> sinks = OpenSinks(names, context);

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "telemetry/sink.h"
#include "telemetry/sinks/wandb_sink.h"

namespace cnn_fp4::telemetry {

struct SinkContext {
  std::string experiment;  // "fp16_vs_nvfp4_s025"
  std::string task;        // "semantic"
  // metrics.jsonl of a resumed run, from which JsonlSink::Resume has removed
  // what will be measured again: every sink is given the rest. Empty: a new
  // run.
  std::string replay;
  // The run's directory, below which records name the files of pictures.
  std::string run_directory;
  // Where the sinks write. Each makes its directory when it has something.
  std::string heatmaps_directory;
  std::string weight_map;  // HeatmapSinkOptions has its meaning.
  std::string tensorboard_directory;
  WandbSinkOptions wandb;
};

// In the order in which they are given records.
std::vector<std::string> SinkNames();

// For --help: what each of them does, in whole sentences.
std::string SinksHelp();

// InvalidArgument, listing the known ones, for a name that is no sink's, and
// for one that comes twice.
absl::Status CheckSinkNames(absl::Span<const std::string> names);

// The sinks of these names, which pass CheckSinkNames. One that cannot be
// opened, or not be given the records of the time before, is left out and said
// on stderr: no training waits for a picture of it.
std::vector<std::unique_ptr<Sink>> OpenSinks(
    absl::Span<const std::string> names, const SinkContext& context);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_SINK_FACTORY_H_
