#ifndef EXPERIMENTS_RUN_DIRECTORY_H_
#define EXPERIMENTS_RUN_DIRECTORY_H_

// A run on disk; the one place that knows its layout:
//
//   <output_dir>/<experiment>/<UTC time>-<digest>/
//     run.json          what ran: configuration, what its policies mean,
//                       digest, versions, machine                      (first)
//     lock              held by the process that writes the run
//     metrics.jsonl     every record, flushed one by one
//     checkpoints/<arm>/step-NNNNNN.pt, best.pt
//     weights/<arm>.safetensors        as they were trained, for W&B, if asked
//     plots/heatmaps/<arm>/..., plots/overlays/...
//     pictures/<arm>/predictions.png, *.plotly.json   what W&B and TensorBoard
//                                                     show of it
//     tensorboard/<arm>/..., wandb/offline-run-...
//     arms/<arm>/arm.json   what an arm came to
//     report.html       the front page
//     summary.json      the results
//     DONE                                                             (last)
//   <output_dir>/<experiment>/latest -> the newest run
//
// A directory appears under its name with run.json in it, and is never used by
// two runs; --resume continues the same run, one process at a time.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/file_lock.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_facts.h"

namespace cnn_fp4::experiments {

class RunDirectory {
 public:
  // Makes a new directory, locks it, and points `latest` at it. `spec` passes
  // its Check.
  static absl::StatusOr<RunDirectory> Create(const std::string& output_dir,
                                             const std::string& experiment,
                                             const ExperimentSpec& spec,
                                             const RunFacts& facts);

  // Opens and locks `resume`, a run's directory or "latest", and removes what
  // killed writers left there. NotFound if there is none; InvalidArgument if it
  // ran another configuration or on data of another digest, or was written by
  // a version whose run directories cannot be read; FailedPrecondition, naming
  // the process, if one is still writing it.
  static absl::StatusOr<RunDirectory> Resume(const std::string& output_dir,
                                             const std::string& experiment,
                                             const ExperimentSpec& spec,
                                             const RunFacts& facts,
                                             const std::string& resume);

  // The run at `path`, for looking at it: takes no lock.
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  bool resumed() const { return resumed_; }
  // When the run was begun first; InfinitePast for one that is looked at.
  absl::Time started() const { return started_; }
  // CPU threads that a resumed run was begun with, if it says so.
  std::optional<int64_t> begun_with_threads() const { return threads_; }

  std::string RunJson() const { return Path("run.json"); }
  std::string Metrics() const { return Path("metrics.jsonl"); }
  std::string Checkpoints(absl::string_view arm) const;
  std::string Weights(absl::string_view arm) const;
  std::string Heatmaps() const { return Path("plots/heatmaps"); }
  std::string TensorBoard() const { return Path("tensorboard"); }
  std::string Wandb() const { return Path("wandb"); }
  std::string Overlays(absl::string_view task) const;
  std::string Predictions(absl::string_view arm) const;
  std::string Figure(absl::string_view arm, absl::string_view name) const;
  std::string Report() const { return Path("report.html"); }
  std::string ArmJson(absl::string_view arm) const;
  std::string Summary() const { return Path("summary.json"); }
  std::string Done() const { return Path("DONE"); }
  std::string Lock() const { return Path("lock"); }

 private:
  static absl::StatusOr<RunDirectory> MakeIn(const std::string& elsewhere,
                                             const std::string& parent,
                                             const std::string& experiment,
                                             const ExperimentSpec& spec,
                                             const RunFacts& facts);

  std::string Path(absl::string_view relative) const;

  std::string path_;
  bool resumed_ = false;
  absl::Time started_ = absl::InfinitePast();
  std::optional<int64_t> threads_;
  base::FileLock lock_;
};

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_DIRECTORY_H_
