#ifndef EXPERIMENTS_RUNS_DESCRIPTION_H_
#define EXPERIMENTS_RUNS_DESCRIPTION_H_

// One run as a page of text for a terminal: what ran, where, in which state it
// is, what its arms came to, and the fields of its configuration that are not
// the defaults.

#include <string>

#include "experiments/saved_run.h"

namespace cnn_fp4::experiments {

std::string DescribeRun(const SavedRun& run);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUNS_DESCRIPTION_H_
