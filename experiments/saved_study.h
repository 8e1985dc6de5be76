#ifndef EXPERIMENTS_SAVED_STUDY_H_
#define EXPERIMENTS_SAVED_STUDY_H_

// A study as its study.json tells it, for programs that show it or write its
// pages anew; finished or not.

#include <string>

#include "absl/status/statusor.h"
#include "experiments/study_report.h"

namespace cnn_fp4::experiments {

// Whether there is a study, of whatever version.
bool IsStudy(const std::string& directory);

// The cells' paths are absolute. NotFound if there is no study;
// InvalidArgument, naming the file, for one of another version.
absl::StatusOr<StudyResult> ReadStudy(const std::string& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SAVED_STUDY_H_
