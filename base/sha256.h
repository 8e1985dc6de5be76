#ifndef BASE_SHA256_H_
#define BASE_SHA256_H_

// SHA-256 (FIPS 180-4) by OpenSSL, for formats that name files by it.

#include <string>

#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace cnn_fp4::base

#endif  // BASE_SHA256_H_
