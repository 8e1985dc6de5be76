#include "base/json_number.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {
namespace {

TEST(JsonNumber, RoundTrips) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.1, -3e300, infinity, -infinity}) {
    const nlohmann::json json = NumberToJson(value);
    EXPECT_EQ(NumberFromJson(nlohmann::json::parse(json.dump())), value);
  }
  EXPECT_EQ(NumberToJson(-infinity).dump(), "\"-Infinity\"");
  EXPECT_TRUE(std::isnan(*NumberFromJson(NumberToJson(std::nan("")))));
  EXPECT_EQ(NumberFromJson(NumberToJson(std::nullopt)), std::nullopt);
}

TEST(JsonNumber, RefusesWhatIsNoNumber) {
  EXPECT_THROW(NumberFromJson("many"), nlohmann::json::exception);
  EXPECT_THROW(NumberFromJson(nlohmann::json::array()),
               nlohmann::json::exception);
}

TEST(JsonNumber, IntegersAreWhole) {
  const auto read = [](const char* text) {
    return IntegerFromJson(nlohmann::json::parse(text));
  };
  EXPECT_EQ(read("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(read("9223372036854775807"), std::numeric_limits<int64_t>::max());
  for (const char* text :
       {"9223372036854775808", "2e46", "1.5", "1.0", "\"1\"", "true", "null"}) {
    EXPECT_THROW(read(text), nlohmann::json::exception) << text;
  }
}

}  // namespace
}  // namespace cnn_fp4::base
