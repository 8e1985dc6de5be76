#ifndef EXPERIMENTS_STUDY_REPORT_H_
#define EXPERIMENTS_STUDY_REPORT_H_

// What a study found, as files for programs and for people:
//
//   <directory>/study.json    every number, keys are stable
//               study.md      tables, for a text
//               study.html    the same with a figure, by itself and offline
//
// They can be written while cells are still missing and say so then.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "experiments/study_spec.h"
#include "experiments/study_statistics.h"

namespace cnn_fp4::experiments {

struct StudyResult {
  std::string name;
  StudySpec spec;  // Passes its Check.
  // Those that are done, at most one a cell, in the order of Cells(spec).
  std::vector<FoundRecord> cells;
};

// What is compared with each other: the cells of one condition, or all of them
// in a study without conditions.
struct StudySection {
  std::string condition;  // Its name; empty in a study without conditions.
  StudyStatistics statistics;
};
std::vector<StudySection> Sections(const StudyResult& result);

// "schema_version": 1. A study without conditions has its metrics and arms at
// the top, one with conditions in each of "conditions". Paths of the cells are
// relative to `directory`. Numbers are as in base/json_number.h; what is not
// known is absent.
std::string StudyJson(const StudyResult& result, const std::string& directory);
std::string StudyMarkdown(const StudyResult& result);
std::string StudyHtml(const StudyResult& result);

// The three files, each atomically.
absl::Status WriteStudy(const StudyResult& result,
                        const std::string& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_REPORT_H_
