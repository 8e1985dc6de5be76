#include "base/json_text.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {
namespace {

using nlohmann::json;

constexpr size_t kMaxBrief = 100;

// Before the value exists, so that it need not be undone. Right for valid JSON,
// and never too small for a text that nlohmann's parser accepts.
int Depth(absl::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text) {
  if (Depth(text) > kMaxJsonDepth) {
    return absl::DataLossError(absl::StrCat("lists and objects are more than ",
                                            kMaxJsonDepth,
                                            " deep in one another"));
  }
  try {
    return json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    return absl::DataLossError(
        absl::StrCat("no valid JSON at byte ", error.byte));
  } catch (const json::exception&) {
    return absl::DataLossError("no valid JSON: a number is out of range");
  }
}

bool IsInteger(const json& value) {
  return value.is_number_integer() &&
         !(value.is_number_unsigned() &&
           value.get<uint64_t>() >
               static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

std::string BriefJson(const json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kMaxBrief) return text;
  constexpr absl::string_view kDots = "...";
  // Not within a character of UTF-8.
  size_t end = kMaxBrief - kDots.size();
  while ((text[end] & 0xc0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), kDots);
}

}  // namespace cnn_fp4::base
