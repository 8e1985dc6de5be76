#ifndef BASE_DIGEST_H_
#define BASE_DIGEST_H_

// SHA-256 (FIPS 180-4) and MD5 (RFC 1321) by OpenSSL, for formats that name
// files by them. Neither is for secrets here.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

// 16 bytes.
std::string Md5(absl::string_view bytes);

struct FileDigest {
  std::string bytes;  // 16, of MD5.
  int64_t size = 0;   // Of the file.
};

// Reads the file piece by piece. The system's errors, naming it.
absl::StatusOr<FileDigest> Md5OfFile(const std::string& path);

}  // namespace cnn_fp4::base

#endif  // BASE_DIGEST_H_
