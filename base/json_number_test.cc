#include "base/json_number.h"

#include <cmath>
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

}  // namespace
}  // namespace cnn_fp4::base
