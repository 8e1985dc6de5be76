#include "base/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {
namespace {

using nlohmann::json;

json ToJsonValue(const SpecValue& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

json::json_pointer Pointer(const SpecField& field) {
  json::json_pointer pointer;
  for (absl::string_view key : absl::StrSplit(field.path, '.')) {
    pointer.push_back(std::string(key));
  }
  return pointer;
}

// JSON writes every character of UTF-8, so a text that comes back is one.
bool IsUtf8(const std::string& text) {
  const std::string written = json(text).dump(-1, ' ', /*ensure_ascii=*/false,
                                              json::error_handler_t::ignore);
  return json::parse(written) == text;
}

absl::Status CheckValue(const SpecValue& value) {
  if (const auto* number = std::get_if<double>(&value)) {
    if (!std::isfinite(*number)) {
      return absl::InvalidArgumentError("the number must be finite");
    }
  }
  std::vector<std::string> texts;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    texts = *list;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    texts = {*text};
  }
  for (const std::string& text : texts) {
    if (!IsUtf8(text)) {
      return absl::InvalidArgumentError("the text must be UTF-8");
    }
  }
  return absl::OkStatus();
}

template <typename Number>
bool ParseNumber(absl::string_view text, Number* number) {
  const char* const end = text.data() + text.size();
  const std::from_chars_result result =
      std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

// One for each type; false where the text or the JSON is of another type.
bool Parse(absl::string_view text, bool* value) {
  *value = text == "true";
  return *value || text == "false";
}
bool Parse(absl::string_view text, int64_t* value) {
  return ParseNumber(text, value);
}
bool Parse(absl::string_view text, double* value) {
  return ParseNumber(text, value);
}
bool Parse(absl::string_view text, std::string* value) {
  *value = std::string(text);
  return true;
}
bool Parse(absl::string_view text, std::vector<std::string>* value) {
  value->clear();
  if (!text.empty()) *value = absl::StrSplit(text, ',');
  return std::find(value->begin(), value->end(), "") == value->end();
}

bool HasType(const json& value, const bool&) { return value.is_boolean(); }
bool HasType(const json& value, const double&) { return value.is_number(); }
bool HasType(const json& value, const int64_t&) {
  // What does not fit is unsigned, or a floating-point number.
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
}
bool HasType(const json& value, const std::string&) {
  return value.is_string();
}
bool HasType(const json& value, const std::vector<std::string>&) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(),
                     [](const json& element) { return element.is_string(); });
}

absl::Status SetFromJsonValue(const SpecField& field, const json& value) {
  const bool ok = std::visit(
      [&](auto* target) {
        if (!HasType(value, *target)) return false;
        value.get_to(*target);
        return true;
      },
      field.pointer);
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the configuration's '", field.path, "' is not ",
                   TypeName(field), ": ", value.dump()));
}

// Keys of `object`, which lies at `prefix`, that no field begins with.
absl::Status RefuseUnknownKeys(absl::Span<const SpecField> fields,
                               const json& object, const std::string& prefix) {
  std::set<std::string> leaves, parts;
  for (const SpecField& field : fields) {
    if (!absl::StartsWith(field.path, prefix)) continue;
    const std::string rest = field.path.substr(prefix.size());
    const size_t dot = rest.find('.');
    (dot == std::string::npos ? leaves : parts).insert(rest.substr(0, dot));
  }
  for (const auto& [key, value] : object.items()) {
    const std::string path = absl::StrCat(prefix, key);
    if (leaves.count(key) > 0) continue;
    if (parts.count(key) == 0) {
      std::set<std::string> known = leaves;
      known.insert(parts.begin(), parts.end());
      return absl::InvalidArgumentError(
          absl::StrCat("the configuration has an unknown key '", path,
                       "'; known: ", absl::StrJoin(known, ", ")));
    }
    if (!value.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the configuration's '", path, "' is no object: ", value.dump()));
    }
    absl::Status status =
        RefuseUnknownKeys(fields, value, absl::StrCat(path, "."));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::string SpecField::leaf() const {
  return path.substr(path.rfind('.') + 1);  // npos + 1 is 0.
}

SpecValue SpecField::value() const {
  return std::visit([](const auto* p) { return SpecValue(*p); }, pointer);
}

void SpecField::set_value(const SpecValue& value) const {
  std::visit(
      [&](auto* target) {
        const auto* source =
            std::get_if<std::remove_pointer_t<decltype(target)>>(&value);
        CHECK(source != nullptr) << path << ": a value of another type";
        *target = *source;
      },
      pointer);
}

std::string TypeName(const SpecField& field) {
  constexpr const char* kNames[] = {"true or false", "an integer", "a number",
                                    "a text", "a list of texts"};
  return kNames[field.pointer.index()];
}

std::string ToText(const SpecField& field) {
  const SpecValue value = field.value();
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    return absl::StrJoin(*list, ",");
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return ToJsonValue(value).dump();
}

absl::Status SetFromText(const SpecField& field, absl::string_view text) {
  SpecValue parsed = field.value();
  const bool ok =
      std::visit([&](auto& value) { return Parse(text, &value); }, parsed);
  if (!ok) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not ", TypeName(field)));
  }
  absl::Status status = CheckValue(parsed);
  if (!status.ok()) return status;
  field.set_value(parsed);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SetByPath(absl::Span<const SpecField> fields,
                                      absl::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", assignment, "' is no assignment; it looks like ",
                     fields.front().path, "=", ToText(fields.front())));
  }
  const absl::string_view path = assignment.substr(0, equals);
  std::vector<std::string> known;
  for (const SpecField& field : fields) {
    known.push_back(field.path);
    if (field.path != path) continue;
    absl::Status status = SetFromText(field, assignment.substr(equals + 1));
    if (status.ok()) return field.path;
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", status.message()));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no field '", path, "'; known: ", absl::StrJoin(known, ", ")));
}

absl::Status CheckValues(absl::Span<const SpecField> fields) {
  for (const SpecField& field : fields) {
    const absl::Status status = CheckValue(field.value());
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(field.path, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

std::string ToJson(absl::Span<const SpecField> fields) {
  const absl::Status status = CheckValues(fields);
  CHECK(status.ok()) << status;
  json object = json::object();
  for (const SpecField& field : fields) {
    if (field.neutral && *field.neutral == field.value()) continue;
    object[Pointer(field)] = ToJsonValue(field.value());
  }
  return object.dump(2);
}

absl::Status SetFromJson(absl::Span<const SpecField> fields,
                         absl::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("the configuration is not a JSON object");
  }
  absl::Status status = RefuseUnknownKeys(fields, object, "");
  for (const SpecField& field : fields) {
    if (!status.ok()) return status;
    const json::json_pointer pointer = Pointer(field);
    if (object.contains(pointer)) {
      status = SetFromJsonValue(field, object.at(pointer));
    } else if (field.neutral) {
      field.set_value(*field.neutral);
    } else {
      status = absl::InvalidArgumentError(
          absl::StrCat("the configuration lacks the key '", field.path, "'"));
    }
  }
  return status;
}

}  // namespace cnn_fp4::base
