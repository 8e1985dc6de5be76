#include "data/file_io.h"

#include <algorithm>
#include <cstdint>
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
    if (keep(entry, name)) {
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
  const int64_t size = file.tellg();
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", size, " bytes, more than the limit of ",
                     kMaxFileBytes, "; it is no image that can be used"));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
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
  return List(
      directory, [](const fs::directory_entry& entry, const std::string& name) {
        std::error_code ignored;
        return !absl::StartsWith(name, ".") && entry.is_directory(ignored);
      });
}

absl::StatusOr<ImageListing> ListImageFiles(const std::string& directory) {
  ImageListing listing;
  const auto take = [&listing](const fs::directory_entry& entry,
                               const std::string& name) {
    std::error_code ignored;
    const bool hidden = absl::StartsWith(name, ".");
    std::string reason;
    if (!HasImageExtension(name)) {
      if (hidden) return false;
      reason = entry.is_directory(ignored) ? "a directory"
                                           : "no .png, .jpg or .jpeg";
    } else if (entry.is_regular_file(ignored)) {
      if (!hidden) return true;
      reason = "hidden";
    } else {
      reason = entry.is_directory(ignored) ? "a directory"
               : entry.is_symlink(ignored) && !entry.exists(ignored)
                   ? "a broken link"
                   : "no regular file";
    }
    listing.skipped.push_back(absl::StrCat(Quoted(name), " (", reason, ")"));
    return false;
  };
  absl::StatusOr<std::vector<std::string>> files = List(directory, take);
  if (!files.ok()) return files.status();
  listing.files = *std::move(files);
  std::sort(listing.skipped.begin(), listing.skipped.end());
  return listing;
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMost = 200;
  constexpr size_t kEnds = 80;
  std::string quoted;
  const auto append = [&quoted](absl::string_view part) {
    for (const char c : part) {
      if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
        absl::StrAppend(
            &quoted, "\\x",
            absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
      } else {
        quoted += c;
      }
    }
  };
  if (text.size() <= kMost) {
    append(text);
  } else {
    append(text.substr(0, kEnds));
    absl::StrAppend(&quoted, "...(", text.size(), " characters)...");
    append(text.substr(text.size() - kEnds));
  }
  return quoted;
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
