#include "data/json_lists.h"

#include <cstdint>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::data {
namespace {

using ::testing::HasSubstr;

// What the lists "a" and "b" of the text hold, or the error.
std::string Read(const std::string& text) {
  std::istringstream stream(text);
  std::string seen;
  const absl::Status status =
      ReadJsonLists(stream, {"a", "b"}, [&](const JsonElement& element) {
        absl::StrAppend(&seen, element.list, element.number,
                        element.value.dump(), " ");
        return element.value.contains("bad")
                   ? absl::InvalidArgumentError("the visitor's")
                   : absl::OkStatus();
      });
  return status.ok() ? seen : std::string(status.message());
}

std::string Repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(JsonListsTest, GivesEachElementInTheOrderOfTheFile) {
  EXPECT_EQ(Read(R"({"info": {"x": [{"y": 1}]}, "b": [{"k": [1, {"l": "s"}]}],
                     "a": [{}, {"m": null, "n": {"o": [[2.5], []]}}],
                     "rest": [[[]], true]})"),
            R"(b1{"k":[1,{"l":"s"}]} a1{} a2{"m":null,"n":{"o":[[2.5],[]]}} )");
  EXPECT_EQ(Read(R"({"a": [], "b": []})"), "");
  EXPECT_EQ(Read(R"({"a": [{"bad": 1}, {}], "b": []})"), "the visitor's");
}

TEST(JsonListsTest, RefusesWhatIsNoListOfObjects) {
  const std::string no_a =
      "has no list \"a\"; it must be a COCO instances file";
  for (const char* text : {"3", "[]", "{}", R"({"a": 3, "b": []})",
                           R"({"a": {}, "b": []})", R"({"c": {"a": []}})"}) {
    EXPECT_EQ(Read(text), no_a) << text;
  }
  EXPECT_EQ(Read(R"({"a": [{}, 3], "b": []})"),
            "element 2 of \"a\" is 3, not an object; correct or remove it");
  EXPECT_EQ(Read(R"({"a": [], "b": [[]]})"),
            "element 1 of \"b\" is a list, not an object; correct or remove "
            "it");
}

TEST(JsonListsTest, RefusesAKeyThatIsThereTwice) {
  EXPECT_EQ(Read(R"({"a": [{}], "b": [], "a": []})"),
            "the file has the key \"a\" twice; remove one of them");
  EXPECT_EQ(Read(R"({"a": [{"x": 1, "y": {"z": 1, "z": 2}}], "b": []})"),
            "element 1 of \"a\" has the key \"z\" twice; remove one of them");
  // The same key in two objects.
  EXPECT_THAT(Read(R"({"a": [{"x": {"x": 1}}, {"x": 2}], "b": []})"),
              HasSubstr("a2{"));
}

TEST(JsonListsTest, LimitsDepthAndSize) {
  const auto nested = [](int depth) {
    return absl::StrCat("{\"a\": [{\"x\": ", Repeated("[", depth),
                        Repeated("]", depth), "}], \"b\": []}");
  };
  // The file, its list and the element are three of them.
  EXPECT_THAT(Read(nested(base::kMaxJsonDepth - 3)), HasSubstr("a1{"));
  EXPECT_EQ(Read(nested(base::kMaxJsonDepth - 2)),
            "element 1 of \"a\" has lists and objects more than 64 deep in one "
            "another; correct it");
  EXPECT_EQ(Read(absl::StrCat("{\"info\": ", Repeated("[", 1000000))),
            "the file has lists and objects more than 64 deep in one another; "
            "correct it");
  std::string many = "{\"b\": [{\"x\": [0";
  many.reserve(2 * kMaxJsonElementValues + 100);
  for (int64_t i = 0; i < kMaxJsonElementValues; ++i) many += ",0";
  EXPECT_EQ(Read(many),
            "element 1 of \"b\" has more than 4194304 values; divide or remove "
            "it");
}

TEST(JsonListsTest, NamesTheByteWhereItIsNoJson) {
  EXPECT_EQ(Read(R"({"a": [,)"),
            "no valid JSON at byte 8; copy or download the file again");
  EXPECT_THAT(Read(R"({"a": [{"x": 1e400}]})"), HasSubstr("no valid JSON at"));
  EXPECT_THAT(Read(""), HasSubstr("no valid JSON at byte"));
  EXPECT_THAT(Read(R"({"a": [], "b": []} x)"), HasSubstr("no valid JSON at"));
  const std::string whole = R"({"a": [], "b": []})";
  EXPECT_THAT(Read(whole + std::string(1, '\0')),
              HasSubstr("has bytes behind the end of the JSON"));
  EXPECT_THAT(Read(whole + std::string("\0x", 2)),
              HasSubstr("has bytes behind the end of the JSON"));
}

}  // namespace
}  // namespace cnn_fp4::data
