#ifndef EXPERIMENTS_RUN_REPORT_H_
#define EXPERIMENTS_RUN_REPORT_H_

// report.html of a run, from what lies in its directory: a run writes it when
// it ends, and a program can write it at any moment, also of a run that is
// going on or was killed.

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "experiments/result.h"
#include "experiments/run_directory.h"

namespace cnn_fp4::experiments {

// "57 s, peak memory 0.83 GB, cpu"; the device alone where seconds and memory
// are 0, that is not known.
std::string CostLine(const ExperimentResult& result, const std::string& device);

// `started`: the run, when it was begun first. Curves, ranked layers and
// histograms are those of metrics.jsonl, for all arms of result.spec; the table
// has those in result.arms. Weights as surfaces have a page of their own beside
// it. Returns what the report lacks, a sentence for who runs the program, or
// "". Errors: telemetry::ReadMetrics' and the file system's.
absl::StatusOr<std::string> WriteRunReport(const ExperimentResult& result,
                                           absl::Time started,
                                           const std::string& device,
                                           const RunDirectory& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_REPORT_H_
