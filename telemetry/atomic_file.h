#ifndef TELEMETRY_ATOMIC_FILE_H_
#define TELEMETRY_ATOMIC_FILE_H_

// Files that are either complete or not there.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::telemetry {

// Writes `contents` to a temporary name in the same directory, syncs it and
// renames it to `path`; readers see the old file or the new one. Missing
// directories are made. On error the old file is as it was, and the message
// names the path and what failed (no space, no permission).
absl::Status WriteFileAtomically(absl::string_view path,
                                 absl::string_view contents);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_ATOMIC_FILE_H_
