#ifndef BASE_ATOMIC_FILE_H_
#define BASE_ATOMIC_FILE_H_

// Files that are either complete or not there.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

// Writes `contents` to a temporary name in the same directory, syncs it and
// renames it to `path`, and syncs the directory; readers see the old file or
// the new one, also after a power cut. Missing directories are made. On error
// the old file is as it was, and the message names the path and what failed (no
// space, no permission).
absl::Status WriteFileAtomically(absl::string_view path,
                                 absl::string_view contents);

}  // namespace cnn_fp4::base

#endif  // BASE_ATOMIC_FILE_H_
