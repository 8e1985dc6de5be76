#ifndef EXPERIMENTS_RUN_DIRECTORY_H_
#define EXPERIMENTS_RUN_DIRECTORY_H_

// A run on disk:
//
//   <output_dir>/<experiment>/<UTC time>-<digest>/
//     run.json          what ran: configuration, digest, versions      (first)
//     metrics.jsonl     every record, flushed one by one
//     checkpoints/<model>/step-NNNNNN.pt, best.pt
//     plots/heatmaps/<model>/..., plots/overlays/...
//     report.html       the front page
//     summary.json      the results
//     DONE                                                             (last)
//   <output_dir>/<experiment>/latest -> the newest run
//
// A directory is never used by two runs; --resume continues the same run.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/experiment_spec.h"

namespace cnn_fp4::experiments {

struct RunDirectory {
  std::string path;
  bool resumed = false;
};

// Makes a new directory with run.json, and points `latest` at it.
absl::StatusOr<RunDirectory> CreateRunDirectory(const std::string& output_dir,
                                                const std::string& experiment,
                                                const ExperimentSpec& spec,
                                                const std::string& device);

// Opens `resume`, a run's directory or "latest". NotFound if there is none;
// InvalidArgument if it ran another configuration.
absl::StatusOr<RunDirectory> ResumeRunDirectory(const std::string& output_dir,
                                                const std::string& experiment,
                                                const ExperimentSpec& spec,
                                                const std::string& resume);

// Paths of a person who calls `bazel run`: relative ones are meant from where
// bazel was called.
std::string UserPath(const std::string& path);

// "runs" in the workspace, or in the current directory outside of `bazel run`.
std::string DefaultOutputDir();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_DIRECTORY_H_
