#ifndef EXPERIMENTS_REPORT_SECTIONS_H_
#define EXPERIMENTS_REPORT_SECTIONS_H_

// The parts of report.html that come from metrics.jsonl: curves of loss and
// scores, layers ranked by what FP4 costs them, maps of FP4 values and
// histograms.

#include <string>
#include <vector>

#include "experiments/report_data.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// HTML without links. `order`: keys of `arms`, in the order of the run;
// `metrics`: those of its task, for their titles.
std::string ReportSections(const ReportArms& arms,
                           const std::vector<std::string>& order,
                           const std::vector<train::Metric>& metrics);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_REPORT_SECTIONS_H_
