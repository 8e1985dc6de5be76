#ifndef BASE_READ_FILE_H_
#define BASE_READ_FILE_H_

// Small files that this project wrote and reads back whole.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cnn_fp4::base {

// Far more than any of them has.
inline constexpr int64_t kMaxSmallFile = int64_t{64} << 20;

// OK if `path` is a regular file, after links; NotFound if there is nothing,
// else InvalidArgument. Reading a device or a pipe might never end.
absl::Status CheckRegularFile(const std::string& path);

// The bytes of a regular file of at most kMaxSmallFile bytes. Errors begin with
// the path.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

}  // namespace cnn_fp4::base

#endif  // BASE_READ_FILE_H_
