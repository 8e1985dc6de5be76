#ifndef EXPERIMENTS_RUN_FACTS_H_
#define EXPERIMENTS_RUN_FACTS_H_

// Where and with what a run was started: what run.json remembers beside the
// configuration.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cnn_fp4::experiments {

struct RunFacts {
  absl::Time started;
  std::string device;            // "cpu" or "cuda".
  std::string libtorch_version;  // "2.9.1".
  // The commit of the workspace, with "+" when files differ from it; "unknown"
  // outside of `bazel run`.
  std::string git_revision;
  std::string cpu;     // experiments/cpu_name.h.
  unsigned cores = 0;  // As the system counts them.
  std::string system;  // Kernel, release and architecture.
  // The caller's: CPU threads, and of the data set that the run found the
  // classes and data::DatasetPair::digest.
  int64_t threads = 0;
  std::vector<std::string> class_names;
  std::string data_digest;
};

// The facts of this process, now.
RunFacts CollectRunFacts(const std::string& device,
                         const std::string& libtorch_version);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_FACTS_H_
