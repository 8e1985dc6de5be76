#include "base/json_text.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {
namespace {

std::string Error(const std::string& text) {
  const absl::StatusOr<nlohmann::json> parsed = ParseJson(text);
  EXPECT_FALSE(parsed.ok()) << text.substr(0, 100);
  EXPECT_TRUE(absl::IsDataLoss(parsed.status()));
  return std::string(parsed.status().message());
}

TEST(ParseJson, ReadsTheWholeText) {
  EXPECT_EQ(*ParseJson("{\"a\": [1, \"[[\\\"[[\"]}"),
            (nlohmann::json{{"a", {1, "[[\"[["}}}));
  EXPECT_EQ(Error(""), "no valid JSON at byte 1");
  EXPECT_EQ(Error("{} x"), "no valid JSON at byte 4");
  EXPECT_EQ(Error("[1e400]"), "no valid JSON: a number is out of range");
  EXPECT_EQ(Error("\"\xff\""), "no valid JSON at byte 2");
}

TEST(ParseJson, RefusesWhatWouldOverflowTheStack) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseJson(nested(kMaxJsonDepth)).ok());
  const std::string deep =
      "lists and objects are more than 64 deep in one another";
  EXPECT_EQ(Error(nested(kMaxJsonDepth + 1)), deep);
  EXPECT_EQ(Error(std::string(10000000, '[')), deep);
  // Quotation marks hide brackets only where they are a string.
  EXPECT_EQ(Error("[\"\\\\\", " + nested(100) + "]"), deep);
}

TEST(IsInteger, OfSixtyFourBits) {
  for (const char* text :
       {"0", "-1", "9223372036854775807", "-9223372036854775808"}) {
    EXPECT_TRUE(IsInteger(*ParseJson(text))) << text;
  }
  for (const char* text :
       {"9223372036854775808", "1.0", "1e3", "true", "null", "\"1\"", "[1]"}) {
    EXPECT_FALSE(IsInteger(*ParseJson(text))) << text;
  }
}

TEST(BriefJson, IsShort) {
  EXPECT_EQ(BriefJson(3), "3");
  EXPECT_EQ(BriefJson("cup\n"), "\"cup\\n\"");
  EXPECT_EQ(BriefJson(nlohmann::json::array({1, 2})), "a list");
  EXPECT_EQ(BriefJson({{"a", 2}}), "an object");
  EXPECT_EQ(BriefJson(std::string(1000, 'x')),
            "\"" + std::string(96, 'x') + "...");
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "ä";
  EXPECT_EQ(BriefJson(umlauts).size(), 1 + 96 + 3u);
  EXPECT_EQ(BriefJson(std::string("\xff")), "\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace cnn_fp4::base
