#ifndef IO_SAFETENSORS_HEADER_PARSER_H_
#define IO_SAFETENSORS_HEADER_PARSER_H_

// The JSON grammar of a safetensors header, as a receiver of parser events.
//
// Events instead of a tree: a tree silently keeps the last of two equal keys
// (of which different readers see different ones), and its depth is the
// attacker's choice. Here everything that the format does not have is refused
// at the event where it appears, so nesting never exceeds three.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/safetensors/header.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::safetensors {

// One tensor as it is written, with nothing checked but the JSON types.
struct RawTensor {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape;
  std::optional<std::vector<uint64_t>> offsets;
};

struct RawHeader {
  std::vector<RawTensor> tensors;
  Metadata metadata;
};

// InvalidArgument for JSON or UTF-8 errors, duplicate or unknown keys, values
// of a wrong type. Messages do not name the file.
absl::StatusOr<RawHeader> ParseRawHeader(absl::string_view json);

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_HEADER_PARSER_H_
