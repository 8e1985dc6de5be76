#include "telemetry/sinks/media_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;

// Signature, then the length and the name of the first chunk: a PNG begins with
// IHDR, whose first two numbers are width and height (ISO/IEC 15948).
constexpr absl::string_view kPngStart{"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16};

uint32_t BigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

absl::StatusOr<std::string> MediaPath(const std::string& run_directory,
                                      const std::string& file) {
  const fs::path relative = fs::path(file).lexically_normal();
  if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is not in the run's directory"));
  }
  return (fs::path(run_directory) / relative).string();
}

absl::StatusOr<std::string> ReadMediaFile(const std::string& run_directory,
                                          const std::string& file) {
  const absl::StatusOr<std::string> path = MediaPath(run_directory, file);
  if (!path.ok()) return path.status();
  errno = 0;
  std::ifstream in(*path, std::ios::binary);
  if (!in) {
    return absl::ErrnoToStatus(errno, absl::StrCat("opening ", *path));
  }
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", *path));
  }
  return bytes;
}

absl::StatusOr<PixelSize> PngSize(absl::string_view png) {
  if (!absl::StartsWith(png, kPngStart) || png.size() < 24) {
    return absl::InvalidArgumentError("it is no PNG file");
  }
  return PixelSize{BigEndian(png.substr(16, 4)), BigEndian(png.substr(20, 4))};
}

}  // namespace cnn_fp4::telemetry
