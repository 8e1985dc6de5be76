#ifndef EXPERIMENTS_RUNS_COMPARISON_H_
#define EXPERIMENTS_RUNS_COMPARISON_H_

// Two runs side by side, A and B: what differs in how they were made and in
// what came out, as tables and as one page with their curves.

#include <string>

#include "absl/status/statusor.h"
#include "base/table.h"
#include "experiments/saved_run.h"

namespace cnn_fp4::experiments {

// A row for each field of the configuration that differs, called by its path
// ("train.steps"), and then for the digest, the device, the CPU, the revision
// and LibTorch where they differ: two machines, or two versions, do not compute
// the same last digits. No rows: the runs were made alike.
base::Table ConfigDifferences(const SavedRun& a, const SavedRun& b);

// A row for each arm that both have and each metric that tables show: A, B, and
// B less A. Where each has one arm, these are compared whatever they are. No
// rows: they have no arm in common.
base::Table ResultDifferences(const SavedRun& a, const SavedRun& b);

// A page by itself: both tables, and the curves of all arms of both, overlaid.
// Errors: telemetry::ReadMetrics'.
absl::StatusOr<std::string> ComparisonPage(const SavedRun& a,
                                           const SavedRun& b);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUNS_COMPARISON_H_
