#ifndef EXPERIMENTS_WEIGHT_SURFACES_H_
#define EXPERIMENTS_WEIGHT_SURFACES_H_

// The weights of a run's arms in FP4 as 3-D surfaces, on one page.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/report_data.h"
#include "experiments/run_directory.h"

namespace cnn_fp4::experiments {

// Where the page is: below the directory with the plots of the run, so that the
// run's front page leads to it.
inline constexpr char kSurfacesFile[] = "plots/surfaces/weights.html";

// Writes the page from the weights that were recorded element by element, and
// plotly.js, once, into the directory that the experiments of the run lie in
// (<root>/<experiment>/<run>). Returns what keeps the page from being there: ""
// if it was written or no arm has such weights, else a sentence: without
// plotly.js there are no surfaces. Errors: the file system's.
absl::StatusOr<std::string> WriteWeightSurfaces(
    const std::string& experiment, const ReportArms& arms,
    const std::vector<std::string>& order, const RunDirectory& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_WEIGHT_SURFACES_H_
