#ifndef EXPERIMENTS_WHAT_IF_SECTION_H_
#define EXPERIMENTS_WHAT_IF_SECTION_H_

// What recipes that an arm does not use would do to its tensors (--what_if),
// beside what it does use, as a section of report.html.

#include <string>
#include <vector>

#include "experiments/report_data.h"

namespace cnn_fp4::experiments {

// HTML with a table an arm: mean SQNR and underflow over the layers, at the
// last recorded step, a row for each recipe and, for an arm with FP4, one for
// what is in use; "" if nothing was asked.
std::string WhatIfSection(const ReportArms& arms,
                          const std::vector<std::string>& order);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_WHAT_IF_SECTION_H_
