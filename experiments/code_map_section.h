#ifndef EXPERIMENTS_CODE_MAP_SECTION_H_
#define EXPERIMENTS_CODE_MAP_SECTION_H_

// Which FP4 values the layers of each arm use, all layers at once, as a section
// of report.html.

#include <string>
#include <vector>

#include "experiments/report_data.h"

namespace cnn_fp4::experiments {

// HTML with two figures an arm, weights and activations: a row for each layer
// in FP4, a column for each of E2M1's fifteen values, at the last recorded
// step. "" for arms without FP4.
std::string CodeMapSection(const ReportArms& arms,
                           const std::vector<std::string>& order);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_CODE_MAP_SECTION_H_
