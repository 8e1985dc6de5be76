#ifndef DATA_FILE_IO_H_
#define DATA_FILE_IO_H_

// The few things that the readers ask of a file system, with errors that name
// the path.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {

// A larger image, mask or list is refused, before memory is taken for it.
inline constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

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

// What a directory of images holds: names (not paths), sorted by byte values.
struct ImageListing {
  std::vector<std::string> files;  // End in .png, .jpg or .jpeg in any case.
  // The other entries, each with the reason: "a.png (a broken link)", "b.tif
  // (no .png, .jpg or .jpeg)". Hidden ones only if their ending is an image's.
  std::vector<std::string> skipped;
};
absl::StatusOr<ImageListing> ListImageFiles(const std::string& directory);

// `text` for a message, unprintable bytes as \xNN: its two ends if it is longer
// than 200 characters.
std::string Quoted(absl::string_view text);

// "dir/name", or `name` when it is absolute or `directory` empty.
std::string JoinPath(absl::string_view directory, absl::string_view name);

// "a/b.c.png" -> "b.c".
std::string Stem(absl::string_view path);

}  // namespace cnn_fp4::data

#endif  // DATA_FILE_IO_H_
