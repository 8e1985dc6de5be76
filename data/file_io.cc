#include "data/file_io.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {
namespace {

namespace fs = std::filesystem;

bool HasImageExtension(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return absl::EndsWith(lower, ".png") || absl::EndsWith(lower, ".jpg") ||
         absl::EndsWith(lower, ".jpeg");
}

template <typename Keep>
absl::StatusOr<std::vector<std::string>> List(const std::string& directory,
                                              Keep keep) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat(directory, ": cannot list this directory (",
                     error.message(), "); check the path and its permissions"));
  }
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, ".") && keep(entry, name)) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

absl::StatusOr<std::string> ReadFileBytes(const std::string& path) {
  if (IsDirectory(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a directory, expected a file"));
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(
        path, ": cannot open this file; check the path and its permissions"));
  }
  std::string bytes(static_cast<size_t>(file.tellg()), '\0');
  file.seekg(0);
  if (!file.read(&bytes[0], static_cast<std::streamsize>(bytes.size()))) {
    return absl::DataLossError(
        absl::StrCat(path, ": reading failed; check the disk"));
  }
  return bytes;
}

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

absl::Status CheckDirectory(const std::string& path, absl::string_view what) {
  if (IsDirectory(path)) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(path, ": no such directory (", what,
                   "); check --data_root and the dataset's layout"));
}

absl::StatusOr<std::vector<std::string>> ListSubdirectories(
    const std::string& directory) {
  return List(directory,
              [](const fs::directory_entry& entry, const std::string&) {
                std::error_code ignored;
                return entry.is_directory(ignored);
              });
}

absl::StatusOr<std::vector<std::string>> ListImageFiles(
    const std::string& directory) {
  return List(
      directory, [](const fs::directory_entry& entry, const std::string& name) {
        std::error_code ignored;
        return HasImageExtension(name) && entry.is_regular_file(ignored);
      });
}

std::string JoinPath(absl::string_view directory, absl::string_view name) {
  if (directory.empty() || absl::StartsWith(name, "/")) {
    return std::string(name);
  }
  return absl::StrCat(directory, absl::EndsWith(directory, "/") ? "" : "/",
                      name);
}

std::string Stem(absl::string_view path) {
  return fs::path(std::string(path)).stem().string();
}

}  // namespace cnn_fp4::data
