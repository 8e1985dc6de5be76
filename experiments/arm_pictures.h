#ifndef EXPERIMENTS_ARM_PICTURES_H_
#define EXPERIMENTS_ARM_PICTURES_H_

// What an arm leaves to look at, for the sinks that show pictures: the heatmaps
// that the heatmap sink drew, as pictures and as pages, the layers ranked by
// what FP4 costs them, as a table, and figures of plotly.js.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/run_directory.h"
#include "telemetry/record.h"

namespace cnn_fp4::experiments {

// Records of the files that there are now, and of the figures, which are
// written into the run's directory; `step`: steps that the arm has completed.
// To be asked for after telemetry::ArmMeasured was written. Errors:
// telemetry::ReadMetrics' and the file system's.
absl::StatusOr<std::vector<telemetry::Payload>> ArmPictures(
    const RunDirectory& directory, const std::string& arm,
    const std::string& task, int64_t step);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_ARM_PICTURES_H_
