#ifndef BASE_FILE_LOCK_H_
#define BASE_FILE_LOCK_H_

// A lock that one process at a time can hold: flock(2) on a file that holds the
// process's id. The kernel lets go of it when the process ends, however it
// ends; the file stays.
//
//   absl::StatusOr<FileLock> lock = FileLock::Acquire(directory + "/lock");
//   if (!lock.ok()) return lock.status();  // "... process 1234 holds it"
//
// Limits: network file systems without flock refuse it (their error is
// returned), and between machines the process id alone says little.

#include <string>

#include "absl/status/statusor.h"

namespace cnn_fp4::base {

class FileLock {
 public:
  // Makes the file if need be; never waits. FailedPrecondition, naming the
  // process, while another holder lives (also one in this process).
  static absl::StatusOr<FileLock> Acquire(const std::string& path);

  // Whether somebody holds the lock of a file that there is. Makes no file and
  // writes nothing; while it looks, an Acquire of another process may fail.
  static bool IsHeld(const std::string& path);

  // Holds nothing.
  FileLock() = default;
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();  // Lets go.

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

}  // namespace cnn_fp4::base

#endif  // BASE_FILE_LOCK_H_
