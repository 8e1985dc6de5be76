#ifndef EXPERIMENTS_RUNNER_H_
#define EXPERIMENTS_RUNNER_H_

// Runs an experiment from its spec to its report: opens the data, trains one
// arm after the other from the same weights on the same batches, writes
// telemetry, heatmaps, overlays and the summary, and prints the table.

#include <string>

#include "absl/status/statusor.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_options.h"

namespace cnn_fp4::experiments {

struct RunOutcome {
  // The process's exit status: 0, or 129, 130 and 143 after SIGHUP, SIGINT and
  // SIGTERM.
  int exit_code = 0;
  std::string directory;
};

// The result table goes to stdout, everything else to stderr. Errors: what the
// user can mend, one line each.
absl::StatusOr<RunOutcome> RunExperiment(const std::string& name,
                                         const ExperimentSpec& spec,
                                         const RunOptions& options);

// The experiment in miniature: synthetic images, the smallest net, two steps.
ExperimentSpec Miniature(ExperimentSpec spec);

// Runs the experiment in miniature in a temporary directory; then what the run
// left there is checked.
absl::Status RunSmokeTest(const std::string& name, const ExperimentSpec& spec);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUNNER_H_
