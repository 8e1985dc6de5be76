#ifndef EXPERIMENTS_STUDY_TABLES_H_
#define EXPERIMENTS_STUDY_TABLES_H_

// The numbers of a study as tables: the same for a terminal, study.md and
// study.html.

#include <string>

#include "base/table.h"
#include "experiments/study_statistics.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// "val loss", or "step (s)" for a metric with a unit.
std::string Title(const train::Metric& metric);

// One row an arm: number of cells, mean and standard deviation of each metric
// that tables show, seconds of training a cell.
base::Table ArmsTable(const StudyStatistics& statistics);

// One row for each metric and each arm but the first; no row for one arm.
base::Table DifferencesTable(const StudyStatistics& statistics);

// What the layers said of their quantisation at the last measured step: a row
// for each tensor kind and arm that has it, means over layers and seeds.
base::Table LayersTable(const StudyStatistics& statistics);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_TABLES_H_
