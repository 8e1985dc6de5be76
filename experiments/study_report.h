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
#include "base/table.h"
#include "experiments/study_spec.h"
#include "experiments/study_statistics.h"

namespace cnn_fp4::experiments {

struct StudyResult {
  std::string name;
  StudySpec spec;  // Passes its Check.
  // Those that are done, at most one a cell, in the order of Cells(spec).
  std::vector<FoundRecord> cells;
};

// Of the study's cells.
StudyStatistics Summarize(const StudyResult& result);

// One row an arm: number of cells, mean and standard deviation of each metric
// that tables show, seconds of training a cell.
base::Table ArmsTable(const StudyStatistics& statistics);

// One row for each metric and each arm but the first; no row for one arm.
base::Table DifferencesTable(const StudyStatistics& statistics);

// What the layers said of their quantisation at the last measured step: a row
// for each tensor kind and arm that has it, means over layers and seeds.
base::Table LayersTable(const StudyStatistics& statistics);

// "schema_version": 1. Paths of the cells are relative to `directory`. Numbers
// are as in base/json_number.h; what is not known is absent.
std::string StudyJson(const StudyResult& result, const std::string& directory);
std::string StudyMarkdown(const StudyResult& result);
std::string StudyHtml(const StudyResult& result);

// The three files, each atomically.
absl::Status WriteStudy(const StudyResult& result,
                        const std::string& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_REPORT_H_
