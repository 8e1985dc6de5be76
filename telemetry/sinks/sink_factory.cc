#include "telemetry/sinks/sink_factory.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/console.h"
#include "telemetry/sinks/heatmap_sink.h"
#include "telemetry/sinks/replay.h"
#include "telemetry/sinks/tensorboard_sink.h"

namespace cnn_fp4::telemetry {
namespace {

using OpenedSink = absl::StatusOr<std::unique_ptr<Sink>>;

struct Entry {
  absl::string_view name;
  absl::string_view does;  // Follows the name in a sentence of --help.
  OpenedSink (*open)(const SinkContext& context);
};

OpenedSink OpenHeatmaps(const SinkContext& context) {
  return HeatmapSink::Create({context.heatmaps_directory, context.task,
                              context.experiment, context.weight_map});
}

OpenedSink OpenTensorBoard(const SinkContext& context) {
  return TensorBoardSink::Create(context.tensorboard_directory,
                                 context.run_directory);
}

OpenedSink OpenWandb(const SinkContext& context) {
  WandbSinkOptions options = context.wandb;
  options.run_directory = context.run_directory;
  return WandbSink::Create(std::move(options));
}

constexpr Entry kSinks[] = {
    {"heatmaps", "draws layers over steps below plots/heatmaps", OpenHeatmaps},
    {"wandb", "writes offline runs of Weights & Biases", OpenWandb},
    {"tensorboard", "writes event files for TensorBoard", OpenTensorBoard},
};

OpenedSink Open(const Entry& entry, const SinkContext& context) {
  OpenedSink sink = entry.open(context);
  if (!sink.ok() || context.replay.empty()) return sink;
  const absl::Status status = Replay(context.replay, **sink);
  if (!status.ok()) return status;
  return sink;
}

}  // namespace

std::vector<std::string> SinkNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kSinks) names.emplace_back(entry.name);
  return names;
}

std::string SinksHelp() {
  const auto sentence = [](std::string* out, const Entry& entry) {
    absl::StrAppend(out, entry.name, " ", entry.does);
  };
  return absl::StrCat(
      "Where measurements go beside metrics.jsonl, which every run has: ",
      absl::StrJoin(kSinks, ", ", sentence), ". --sinks= stands for none.");
}

absl::Status CheckSinkNames(absl::Span<const std::string> names) {
  const std::vector<std::string> known = SinkNames();
  for (const std::string& name : names) {
    if (std::count(known.begin(), known.end(), name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown sink '", name, "'; known: ", absl::StrJoin(known, ", ")));
    }
    if (std::count(names.begin(), names.end(), name) > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("sink '", name, "' is named twice"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::unique_ptr<Sink>> OpenSinks(
    absl::Span<const std::string> names, const SinkContext& context) {
  std::vector<std::unique_ptr<Sink>> sinks;
  for (const Entry& entry : kSinks) {
    if (std::count(names.begin(), names.end(), entry.name) == 0) continue;
    OpenedSink sink = Open(entry, context);
    if (sink.ok()) {
      sinks.push_back(*std::move(sink));
    } else {
      base::Console::Stderr().Line(
          absl::StrCat("telemetry: ", entry.name,
                       ": not recorded: ", sink.status().message()));
    }
  }
  return sinks;
}

}  // namespace cnn_fp4::telemetry
