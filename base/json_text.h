#ifndef BASE_JSON_TEXT_H_
#define BASE_JSON_TEXT_H_

// JSON that this project wrote and reads back: what a person or a broken disk
// may have done to the file in between ends in an error, never in a crash.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace cnn_fp4::base {

// Lists and objects in one another, the outermost counted. Printing, comparing
// and copying a value calls itself for each of them.
inline constexpr int kMaxJsonDepth = 64;

// The whole of `text`. DataLoss, without the file's name, if it is no JSON or
// nested more deeply than that.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text);

// Whether it is an integer that int64_t holds: get() takes others, too, and
// changes them.
bool IsInteger(const nlohmann::json& value);

// A value for a message, in at most 100 characters: 3, "cup", a list, an
// object.
std::string BriefJson(const nlohmann::json& value);

}  // namespace cnn_fp4::base

#endif  // BASE_JSON_TEXT_H_
