#ifndef TELEMETRY_SINKS_MEDIA_FILE_H_
#define TELEMETRY_SINKS_MEDIA_FILE_H_

// Pictures, pages and artifacts, which records name by their files in the run's
// directory, for the sinks that copy them.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::telemetry {

// Where `file` lies below `run_directory`. InvalidArgument for a path that
// leads out of it.
absl::StatusOr<std::string> MediaPath(const std::string& run_directory,
                                      const std::string& file);

// The bytes of the file there.
absl::StatusOr<std::string> ReadMediaFile(const std::string& run_directory,
                                          const std::string& file);

struct PixelSize {
  uint32_t width = 0;
  uint32_t height = 0;
};

// From the header of a PNG file. InvalidArgument for what does not begin as
// one.
absl::StatusOr<PixelSize> PngSize(absl::string_view png);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_MEDIA_FILE_H_
