#include "base/json_number.h"

#include <cmath>
#include <limits>
#include <string>

#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {

nlohmann::json NumberToJson(const std::optional<double>& value) {
  if (!value.has_value()) return nullptr;
  if (std::isnan(*value)) return "NaN";
  if (std::isinf(*value)) return *value > 0 ? "Infinity" : "-Infinity";
  return *value;
}

std::optional<double> NumberFromJson(const nlohmann::json& json) {
  if (json.is_null()) return std::nullopt;
  if (!json.is_string()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  if (text == "Infinity") return infinity;
  if (text == "-Infinity") return -infinity;
  return json.get<double>();  // Throws.
}

int64_t IntegerFromJson(const nlohmann::json& json) {
  if (IsInteger(json)) return json.get<int64_t>();
  throw nlohmann::json::type_error::create(
      302, BriefJson(json) + " is no integer of 64 bits", &json);
}

}  // namespace cnn_fp4::base
