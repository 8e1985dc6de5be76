#ifndef EXPERIMENTS_REPORT_CURVES_H_
#define EXPERIMENTS_REPORT_CURVES_H_

// Curves of arms, overlaid, for the pages of runs: the loss of the training and
// the scores of the validation over the steps.

#include <string>
#include <vector>

#include "experiments/report_data.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// HTML of a section with a figure for each; "" if there is no curve. `order`:
// keys of `arms`, in the order of the legend. `metrics`: those of the arms'
// task, for their titles; without any (no arm has ended yet), every score of
// one word is shown under its key.
std::string CurvesSection(const ReportArms& arms,
                          const std::vector<std::string>& order,
                          const std::vector<train::Metric>& metrics);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_REPORT_CURVES_H_
