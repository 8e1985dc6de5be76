#ifndef DATA_FILE_IO_H_
#define DATA_FILE_IO_H_

// The few things that the readers ask of a file system, with errors that name
// the path.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {

// The whole file.
absl::StatusOr<std::string> ReadFileBytes(const std::string& path);

bool IsDirectory(const std::string& path);
bool IsFile(const std::string& path);

// NotFound unless `path` is a directory. `what` says what it is for: "the
// dataset", "the training images".
absl::Status CheckDirectory(const std::string& path, absl::string_view what);

// Names (not paths) in a directory, sorted by byte values; hidden ones left
// out.
absl::StatusOr<std::vector<std::string>> ListSubdirectories(
    const std::string& directory);
// Of files that end in .png, .jpg or .jpeg in any case.
absl::StatusOr<std::vector<std::string>> ListImageFiles(
    const std::string& directory);

// "dir/name", or `name` when it is absolute or `directory` empty.
std::string JoinPath(absl::string_view directory, absl::string_view name);

// "a/b.c.png" -> "b.c".
std::string Stem(absl::string_view path);

}  // namespace cnn_fp4::data

#endif  // DATA_FILE_IO_H_
