#ifndef IO_SAFETENSORS_FUZZ_INPUT_H_
#define IO_SAFETENSORS_FUZZ_INPUT_H_

// Help for fuzzing: nearly every mutation of a header changes its length, and a
// file whose length field is wrong is refused before anything interesting.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace cnn_fp4::safetensors {

// The bytes with their first eight replaced by the length of a header that ends
// at the last '}' and the spaces after it. Unchanged if there is none.
inline std::vector<uint8_t> WithLengthOfHeader(
    absl::Span<const uint8_t> bytes) {
  std::vector<uint8_t> out(bytes.begin(), bytes.end());
  uint64_t end = out.size();
  while (end > 8 && out[end - 1] != '}') --end;
  if (end <= 8) return out;
  while (end < out.size() && out[end] == ' ') ++end;
  const uint64_t length = end - 8;
  for (int i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(length >> 8 * i);
  return out;
}

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_FUZZ_INPUT_H_
