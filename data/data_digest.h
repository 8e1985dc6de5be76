#ifndef DATA_DATA_DIGEST_H_
#define DATA_DATA_DIGEST_H_

// A number that tells whether two runs read the same data set, wherever it
// lies: of the names and sizes of the images and of all that is annotated, in
// order. The pixels of the images are not in it, for that would read every
// file.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace cnn_fp4::data {

// FNV-1a of 64 bits over 64-bit words, mixed at the end: chance makes no two
// data sets equal, but a person could.
class DataDigest {
 public:
  void AddNumber(uint64_t number) { hash_ = (hash_ ^ number) * 0x100000001b3u; }
  // With its length, so that "ab", "c" is not "a", "bc".
  void AddText(absl::string_view text);
  // The size of the file, 0 if there is none.
  void AddFileSize(const std::string& path);
  // Its bytes.
  void AddFile(const std::string& path);

  uint64_t value() const;
  // The value as 16 hexadecimal digits.
  std::string Hex() const;

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace cnn_fp4::data

#endif  // DATA_DATA_DIGEST_H_
