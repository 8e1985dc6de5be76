#ifndef EXPERIMENTS_SAVED_RUN_H_
#define EXPERIMENTS_SAVED_RUN_H_

// A run as it lies on disk, for programs that show it: what ran, where, and
// what its arms came to so far. The run may still be going on, or have been
// killed; nothing in its directory is changed.
//
//   const absl::StatusOr<SavedRun> run = ReadRun("runs/train/latest");

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/result.h"
#include "experiments/run_directory.h"
#include "experiments/run_facts.h"

namespace cnn_fp4::experiments {

enum class RunState {
  kFinished,  // It has DONE.
  kRunning,   // A process is writing it.
  kStopped,   // Neither: it was stopped or killed, and can be resumed.
};

// "finished", "running", "stopped".
absl::string_view StateName(RunState state);

struct SavedRun {
  RunDirectory directory{""};
  RunState state = RunState::kStopped;
  std::string digest;
  RunFacts facts;
  // The arms that have an arm.json, which an arm gets when it ends. Seconds and
  // memory are 0 without a summary.json, which a run gets when it ends.
  ExperimentResult result;
};

// Whether there is a run, of whatever version.
bool IsRun(const std::string& directory);

// `directory` may be a link. NotFound if it is no run; InvalidArgument, naming
// the file, for a run of another version.
absl::StatusOr<SavedRun> ReadRun(const std::string& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SAVED_RUN_H_
