#ifndef DATA_JSON_LISTS_H_
#define DATA_JSON_LISTS_H_

// Streams a large JSON file of the form {"images": [{...}, ...], ...}: one
// element of a list at a time is in memory, and what belongs to no wanted list
// is skipped.
//
// Strict: it refuses a key that an object has twice (which of the two counts is
// left open by JSON), a list whose elements are no objects, bytes behind the
// end (a NUL, too), and what goes beyond base::kMaxJsonDepth or the limit
// below.

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace cnn_fp4::data {

// Values in one element, which bounds its memory: 4 million, of 16 bytes and
// more each.
inline constexpr int64_t kMaxJsonElementValues = int64_t{1} << 22;

// An element of a list, during the call of the visitor.
struct JsonElement {
  const std::string& list;      // The key of the list.
  int64_t number;               // From 1.
  const nlohmann::json& value;  // An object.
};

// Calls `visit` for each element of the lists that are named, in the order of
// the file; its error ends the reading and is returned as it is. Each list must
// be there. Other errors do not name the file: DataLoss for what is no JSON,
// with the number of the byte, else InvalidArgument.
absl::Status ReadJsonLists(
    std::istream& stream, const std::vector<std::string>& lists,
    absl::FunctionRef<absl::Status(const JsonElement&)> visit);

}  // namespace cnn_fp4::data

#endif  // DATA_JSON_LISTS_H_
