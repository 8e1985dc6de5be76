#ifndef BASE_FNV1A_H_
#define BASE_FNV1A_H_

// FNV-1a, the hash of Fowler, Noll and Vo (draft-eastlake-fnv), of 32 bits: for
// keys of random number streams that have to be the same on every machine. Not
// for anything that an adversary chooses.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

constexpr uint32_t Fnv1a32(absl::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  }
  return hash;
}

}  // namespace cnn_fp4::base

#endif  // BASE_FNV1A_H_
