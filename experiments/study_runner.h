#ifndef EXPERIMENTS_STUDY_RUNNER_H_
#define EXPERIMENTS_STUDY_RUNNER_H_

// Trains the cells of a study that are not done yet, one after the other, and
// writes what it found after each:
//
//   <directory>/lock
//               cells/<arm key>-s<seed>-<digest>/   the runs of a cell
//               study.json, study.md, study.html    study_report.h
//
// A cell is done when there is a finished arm.json of it below the directory or
// one of `done`; such a cell is never trained again. One that was begun, and
// stopped or killed, is resumed. So the same command continues a study after
// anything that ended it, and a command with more arms or seeds extends it.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/run_options.h"
#include "experiments/study_spec.h"

namespace cnn_fp4::experiments {

struct StudyOptions {
  std::string directory;
  std::vector<std::string> done;  // Directories with cells of earlier studies.
  // Nothing is trained: the report is of the cells that are done, of which
  // there has to be one.
  bool report_only = false;
  RunOptions run;  // Its output_dir and resume mean nothing.
};

// The process's exit status: 0, or 129, 130 and 143 when SIGHUP, SIGINT and
// SIGTERM left cells to do that were to be trained. The tables go to stdout,
// everything else to stderr. Errors: what the user can mend, one line each; one
// in a cell ends the study.
absl::StatusOr<int> RunStudy(const std::string& name, const StudySpec& study,
                             const StudyOptions& options);

// The study in miniature: its first two arms and two seeds on synthetic images
// in a temporary directory; then what it left there is checked, and that a
// second call trains nothing.
absl::Status RunStudySmokeTest(const std::string& name, const StudySpec& study);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_RUNNER_H_
