#include "base/read_file.h"

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::base {

namespace fs = std::filesystem;

absl::Status CheckRegularFile(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_regular_file(status)) return absl::OkStatus();
  if (!fs::exists(status)) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  if (absl::Status status = CheckRegularFile(path); !status.ok()) return status;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  const int64_t size = file.tellg();
  if (size > kMaxSmallFile) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", size, " bytes, more than the limit of ", kMaxSmallFile));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  }
  return bytes;
}

}  // namespace cnn_fp4::base
