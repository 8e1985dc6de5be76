#ifndef EXPERIMENTS_STUDY_PROGRAM_H_
#define EXPERIMENTS_STUDY_PROGRAM_H_

// The program of a study, free or pinned: flags, exit statuses, and errors of
// one line. Fields of the experiment and run options are flags as in
// //experiments:train, but for those that a study decides for each cell.

#include <string>

#include "base/flag_parser.h"
#include "experiments/study_spec.h"

namespace cnn_fp4::experiments {

struct StudyProgram {
  std::string name;
  std::string description;  // Begins --help.
  StudySpec study;          // What it is without flags.
  // Whether the study's arms, seeds and fields can be chosen by flags.
  bool free = false;
};

// Returns the process's exit status.
int RunStudyProgram(const StudyProgram& program, int argc, char** argv);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_PROGRAM_H_
