#ifndef EXPERIMENTS_RUNS_FIND_RUNS_H_
#define EXPERIMENTS_RUNS_FIND_RUNS_H_

// The runs and studies below some directories, and tables of them.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/table.h"
#include "experiments/saved_run.h"
#include "experiments/study_report.h"

namespace cnn_fp4::experiments {

struct FoundStudy {
  std::string directory;
  StudyResult study;
};

struct FoundRuns {
  std::vector<SavedRun> runs;       // The oldest first.
  std::vector<FoundStudy> studies;  // By path.
  // "why", naming the path, for each that this version cannot read.
  std::vector<std::string> unreadable;
};

// Each directory may be a run, a study, or hold some at any depth. Below runs
// and studies nothing is looked for, so the cells of a study are not runs of
// their own; links below the directories are not followed. NotFound, naming it,
// for one that is no directory.
absl::StatusOr<FoundRuns> FindRuns(absl::Span<const std::string> directories);

// A row an arm: the run (on its first row), when it was started, its state,
// steps, and the headline metric of each arm; one row for a run without
// finished arms. Paths are relative to `base` where they are below it.
base::Table RunsTable(absl::Span<const SavedRun> runs, const std::string& base);

// A row a study: how many cells are done, arms, seeds and conditions.
base::Table StudiesTable(absl::Span<const FoundStudy> studies,
                         const std::string& base);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUNS_FIND_RUNS_H_
