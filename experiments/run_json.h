#ifndef EXPERIMENTS_RUN_JSON_H_
#define EXPERIMENTS_RUN_JSON_H_

// run.json, the first file of a run: what runs, on which data, with what.
//
// Its keys are stable: schema_version, experiment, config, resolved (what the
// policies mean), digest, started, git_revision, libtorch, device, threads,
// class_names, data {digest}, machine {cpu, cores, system}. threads and data
// are absent in runs of older versions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_facts.h"

namespace cnn_fp4::experiments {

// What is read back of it.
struct RunJsonContents {
  std::string config;  // As JSON.
  std::string digest;
  absl::Time started;
  std::vector<std::string> class_names;
  std::optional<std::string> data_digest;
  std::optional<int64_t> threads;
};

// The text of the file. `spec` passes its Check.
std::string ToRunJson(const std::string& experiment, const ExperimentSpec& spec,
                      const RunFacts& facts);

// InvalidArgument, without the file's name, for a text that ToRunJson did not
// write, FailedPrecondition for one of a version that this one cannot read.
absl::StatusOr<RunJsonContents> ParseRunJson(absl::string_view text);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_JSON_H_
