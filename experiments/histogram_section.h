#ifndef EXPERIMENTS_HISTOGRAM_SECTION_H_
#define EXPERIMENTS_HISTOGRAM_SECTION_H_

// The part of report.html that shows how the values of a layer's tensors are
// spread: which FP4 values they use, their magnitudes, and the scales of their
// blocks, with a choice of arm, layer and step.

#include <string>
#include <vector>

#include "experiments/report_data.h"

namespace cnn_fp4::experiments {

// Steps whose histograms are in the page, of all arms together; of more, each
// arm has every n-th and its last.
inline constexpr size_t kMaxHistogramSteps = 40;

// HTML without links; empty without histograms. `order`: keys of `arms`.
std::string HistogramSection(const ReportArms& arms,
                             const std::vector<std::string>& order);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_HISTOGRAM_SECTION_H_
