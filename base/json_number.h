#ifndef BASE_JSON_NUMBER_H_
#define BASE_JSON_NUMBER_H_

// Numbers in JSON, which has no NaN and no infinities: those become the strings
// "NaN", "Infinity" and "-Infinity", and what was not measured null.

#include <cstdint>
#include <optional>

#include "nlohmann/json_fwd.hpp"

namespace cnn_fp4::base {

nlohmann::json NumberToJson(const std::optional<double>& value);

// The inverse. Throws nlohmann::json::exception for anything else.
std::optional<double> NumberFromJson(const nlohmann::json& json);

// An integer that int64_t holds. Throws nlohmann::json::exception for anything
// else: get() takes other numbers, too, and changes them, or is undefined.
int64_t IntegerFromJson(const nlohmann::json& json);

}  // namespace cnn_fp4::base

#endif  // BASE_JSON_NUMBER_H_
