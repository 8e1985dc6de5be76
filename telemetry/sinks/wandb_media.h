#ifndef TELEMETRY_SINKS_WANDB_MEDIA_H_
#define TELEMETRY_SINKS_WANDB_MEDIA_H_

// Media of a W&B run: files below its files/media, which rows of the history
// name by path and SHA-256.
//
//   files/media/images/heatmaps/gradients_160_<20 hex digits>.png
//   files/media/html/..., files/media/plotly/....plotly.json,
//   files/media/table/....table.json

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/table.h"
#include "telemetry/sinks/wandb_row.h"

namespace cnn_fp4::telemetry {

struct WandbMedia {
  std::string path;  // Below files/.
  WandbValue value;  // For the row.
};

// Each writes a file below `files`. Its path has the key, the step and a part
// of the checksum, so that the same medium has the same file. InvalidArgument
// for a picture that is no PNG; errors of the file system.
absl::StatusOr<WandbMedia> WriteWandbImage(const std::string& files,
                                           const std::string& key, int64_t step,
                                           absl::string_view png,
                                           const std::string& caption);
absl::StatusOr<WandbMedia> WriteWandbHtml(const std::string& files,
                                          const std::string& key, int64_t step,
                                          absl::string_view html);
// `json`: a figure of plotly.js, which W&B draws.
absl::StatusOr<WandbMedia> WriteWandbFigure(const std::string& files,
                                            const std::string& key,
                                            int64_t step,
                                            absl::string_view json);
absl::StatusOr<WandbMedia> WriteWandbTable(const std::string& files,
                                           const std::string& key, int64_t step,
                                           const base::Table& table);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_MEDIA_H_
