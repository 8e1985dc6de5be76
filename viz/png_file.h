#ifndef VIZ_PNG_FILE_H_
#define VIZ_PNG_FILE_H_

// Pixels as PNG files, one for one: for data, where a Canvas draws pictures.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cnn_fp4::viz {

// 8 bits a channel, rows from the top; 1 channel is grey, 3 are RGB. The file
// is written to a temporary name and renamed, missing directories are made.
// The number of pixels fits (checked). The system's errors, naming the file.
absl::Status WritePngFile(const std::string& path, int width, int height,
                          int channels, absl::Span<const uint8_t> pixels);

}  // namespace cnn_fp4::viz

#endif  // VIZ_PNG_FILE_H_
