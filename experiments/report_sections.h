#ifndef EXPERIMENTS_REPORT_SECTIONS_H_
#define EXPERIMENTS_REPORT_SECTIONS_H_

// The parts of report.html that come from metrics.jsonl: curves of loss and
// scores, layers ranked by what FP4 costs them, and histograms of FP4 codes
// with a choice of layer and step.

#include <string>
#include <vector>

#include "experiments/report_data.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// Steps whose histograms are in the page; of more, every n-th and the last.
inline constexpr size_t kMaxHistogramSteps = 40;

// HTML without links. `order`: keys of `arms`, in the order of the run;
// `metrics`: those of its task, for their titles.
std::string ReportSections(const ReportArms& arms,
                           const std::vector<std::string>& order,
                           const std::vector<train::Metric>& metrics);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_REPORT_SECTIONS_H_
