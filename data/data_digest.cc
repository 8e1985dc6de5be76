#include "data/data_digest.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/rng.h"

namespace cnn_fp4::data {

void DataDigest::AddText(absl::string_view text) {
  AddNumber(text.size());
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t count =
        text.size() < sizeof(word) ? text.size() : sizeof(word);
    std::memcpy(&word, text.data(), count);
    AddNumber(word);
    text.remove_prefix(count);
  }
}

void DataDigest::AddFileSize(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  AddNumber(error ? 0 : size);
}

void DataDigest::AddFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string block(size_t{1} << 20, '\0');
  while (file) {
    file.read(&block[0], static_cast<std::streamsize>(block.size()));
    AddText(absl::string_view(block).substr(0, file.gcount()));
  }
}

uint64_t DataDigest::value() const { return Mix64(hash_); }

std::string DataDigest::Hex() const {
  return absl::StrCat(absl::Hex(value(), absl::kZeroPad16));
}

}  // namespace cnn_fp4::data
