#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::base {
namespace {

absl::Status WriteAll(int fd, absl::string_view contents,
                      const std::string& path) {
  while (!contents.empty()) {
    const ssize_t n = ::write(fd, contents.data(), contents.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path));
    }
    contents.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

// A rename is durable once its directory is.
absl::Status SyncDirectory(const std::filesystem::path& directory) {
  const std::string name = directory.empty() ? "." : directory.string();
  const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("opening directory ", name));
  }
  absl::Status status;
  // Some file systems cannot sync a directory; they say EINVAL.
  if (::fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
    status =
        absl::ErrnoToStatus(errno, absl::StrCat("syncing directory ", name));
  }
  ::close(fd);
  return status;
}

}  // namespace

absl::Status WriteFileAtomically(absl::string_view path,
                                 absl::string_view contents) {
  const std::filesystem::path target{std::string(path)};
  std::error_code error;
  if (target.has_parent_path()) {
    std::filesystem::create_directories(target.parent_path(), error);
    if (error) {
      return absl::ErrnoToStatus(
          error.value(),
          absl::StrCat("making directory ", target.parent_path().string()));
    }
  }
  // Process-unique and hidden: two writers never share one, and a leftover of a
  // killed process is seen to be none of the run's files.
  const std::string temporary =
      (target.parent_path() /
       absl::StrCat(".", target.filename().string(), ".", ::getpid(), ".tmp"))
          .string();
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("creating ", temporary));
  }
  absl::Status status = WriteAll(fd, contents, target.string());
  if (::close(fd) != 0 && status.ok()) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("closing ", temporary));
  }
  if (status.ok() &&
      ::rename(temporary.c_str(), target.string().c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("renaming to ", path));
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(target.parent_path());
}

}  // namespace cnn_fp4::base
