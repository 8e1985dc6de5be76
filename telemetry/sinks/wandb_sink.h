#ifndef TELEMETRY_SINKS_WANDB_SINK_H_
#define TELEMETRY_SINKS_WANDB_SINK_H_

// Offline runs of Weights & Biases, without Python: each arm is a run, the arms
// of a training are one group.
//
//   <directory>/offline-run-<local time>-<run id>/run-<run id>.wandb
//   <directory>/offline-run-<local time>-<run id>/files/
//
//   wandb sync <directory>/offline-run-*          # uploads, when one wishes to
//
// A row of the history is a step: its scalars, the statistics of its layers and
// their histograms, called as layer_key.h says, pictures, and pages under their
// key with "_page" behind it; tables of an arm are in its last row. The
// console's lines and what the process takes of the machine stand beside the
// history. Each number is defined as a metric over the steps. A row is written
// when a later step, or the arm's end, shows that it is whole, so that a crash
// costs the last one. Time and id of a run follow from the training's, and a
// resumed training writes its runs anew from what it replays (replay.h): to
// W&B, a resumed arm is one run. Wants W&B 0.21 or later.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "telemetry/sink.h"
#include "telemetry/sinks/wandb_file.h"
#include "telemetry/sinks/wandb_media.h"
#include "telemetry/sinks/wandb_row.h"

namespace cnn_fp4::telemetry {

// Where the runs belong on a W&B server.
struct WandbOptions {
  std::string project;
  std::string entity;  // Empty: the user's own.
  std::vector<std::string> tags;
  std::string notes;
  bool log_model = false;  // Artifacts go there, too.
};

// What W&B shows of the machine.
struct WandbEnvironment {
  std::string os;
  std::string git_revision;
  uint32_t cores = 0;
};

struct WandbSinkOptions {
  std::string directory;
  std::string run_directory;  // Where the files of pictures and pages lie.
  std::string group;          // The training: one for each run directory.
  absl::Time started;         // The training, when it was begun first.
  WandbOptions labels;
  WandbEnvironment environment;
};

class WandbSink : public Sink {
 public:
  static std::unique_ptr<WandbSink> Create(WandbSinkOptions options);
  ~WandbSink() override;

  absl::Status Write(const Record& record) override;
  absl::Status Finish() override;
  std::string name() const override;

 private:
  struct Arm;

  explicit WandbSink(WandbSinkOptions options);

  // Makes it if need be.
  absl::StatusOr<Arm*> ArmOf(const std::string& name, absl::Time time);
  // What a record of the arm adds to its run.
  absl::Status WriteFor(const Record& record, Arm& arm);
  // Values beyond so many keys of the run are left out and counted.
  absl::Status Add(const WandbAddition& addition, size_t max_keys,
                   absl::Time time, Arm& arm);
  absl::Status AddMedia(const absl::StatusOr<WandbMedia>& media, int64_t step,
                        absl::Time time, Arm& arm);
  absl::Status DefineMetrics(Arm& arm);
  absl::Status WriteStart(const std::string& name, const std::string& run_id,
                          absl::Time time, Arm& arm);
  absl::Status WriteRow(Arm& arm);
  absl::Status End(Arm& arm, int code, absl::Time time);

  const WandbSinkOptions options_;
  std::string config_;
  std::map<std::string, std::unique_ptr<Arm>> arms_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_SINK_H_
