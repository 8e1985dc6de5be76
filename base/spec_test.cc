#include "base/spec.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Wheel {
  double radius = 0.5;
  int64_t spokes = 32;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("radius", self.radius, "In metres.");
    visit("spokes", self.spokes, "Number of spokes.");
  }
};

struct Bicycle {
  std::string name = "roadster";
  bool bell = true;
  std::vector<std::string> colors = {"red", "black"};
  Wheel wheel;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("name", self.name, "Its name.");
    visit("bell", self.bell, "Whether it has a bell.");
    visit("colors", self.colors, "Its colours.");
    visit("wheel", self.wheel, "Its wheels");
  }
};

// A later version: one field more, in a nested specification of its own.
struct Motor {
  double watts = 250;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("watts", self.watts, "Its power.", 0);
  }
};

struct LaterBicycle {
  Bicycle bicycle;
  Motor motor;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    Bicycle::VisitFields(self.bicycle, visit);
    visit("motor", self.motor, "Its motor");
  }
};

constexpr char kCanonical[] = R"({
  "bell": true,
  "colors": [
    "red",
    "black"
  ],
  "name": "roadster",
  "wheel": {
    "radius": 0.5,
    "spokes": 32
  }
})";

TEST(SpecTest, ListsFieldsWithPathsAndParts) {
  Bicycle bicycle;
  std::vector<std::string> paths, leaves, parts, types, texts;
  for (const SpecField& field : Fields(bicycle)) {
    paths.push_back(field.path);
    leaves.push_back(field.leaf());
    parts.push_back(field.part);
    types.push_back(TypeName(field));
    texts.push_back(ToText(field));
  }
  EXPECT_THAT(paths, ElementsAre("name", "bell", "colors", "wheel.radius",
                                 "wheel.spokes"));
  EXPECT_THAT(leaves,
              ElementsAre("name", "bell", "colors", "radius", "spokes"));
  EXPECT_THAT(parts, ElementsAre("", "", "", "Its wheels", "Its wheels"));
  EXPECT_THAT(types, ElementsAre("a text", "true or false", "a list of texts",
                                 "a number", "an integer"));
  EXPECT_THAT(texts, ElementsAre("roadster", "true", "red,black", "0.5", "32"));
}

TEST(SpecTest, WritesCanonicalJsonAndReadsItBack) {
  Bicycle bicycle;
  EXPECT_EQ(ToJson(bicycle), kCanonical);
  bicycle.wheel.radius = 0.1;
  bicycle.colors.clear();
  bicycle.name = "\"ö\"\n";
  const auto again = FromJson<Bicycle>(ToJson(bicycle));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->name, bicycle.name);
  EXPECT_EQ(ToJson(*again), ToJson(bicycle));
}

TEST(SpecTest, LeavesANeutralFieldOut) {
  LaterBicycle later;
  later.motor.watts = 0;
  EXPECT_EQ(ToJson(later), kCanonical);
  later.motor.watts = 500;
  EXPECT_THAT(ToJson(later), HasSubstr("\"watts\": 500"));
}

TEST(SpecTest, ReadsAMissingFieldAsNeutralWhateverTheDefault) {
  const auto later = FromJson<LaterBicycle>(kCanonical);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->motor.watts, 0);
}

std::string ParseError(const std::string& from, const std::string& to) {
  std::string text = kCanonical;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return std::string(FromJson<Bicycle>(text).status().message());
}

TEST(SpecTest, ParsingNamesThePath) {
  EXPECT_EQ(ParseError("spokes", "spikes"),
            "the configuration has an unknown key 'wheel.spikes'; known: "
            "radius, spokes");
  EXPECT_EQ(ParseError("\"bell\"", "\"horn\""),
            "the configuration has an unknown key 'horn'; known: bell, colors, "
            "name, wheel");
  EXPECT_EQ(ParseError(",\n    \"spokes\": 32", ""),
            "the configuration lacks the key 'wheel.spokes'");
  EXPECT_EQ(ParseError("32", "32.5"),
            "the configuration's 'wheel.spokes' is not an integer: 32.5");
  EXPECT_THAT(ParseError("32", "9223372036854775808"),
              HasSubstr("'wheel.spokes' is not an integer"));
  EXPECT_THAT(ParseError("0.5", "\"0.5\""),
              HasSubstr("'wheel.radius' is not a number"));
  EXPECT_THAT(ParseError("\"red\"", "1"),
              HasSubstr("'colors' is not a list of texts"));
  EXPECT_THAT(
      ParseError("{\n    \"radius\": 0.5,\n    \"spokes\": 32\n  }", "[]"),
      HasSubstr("'wheel' is no object"));
  for (const char* number : {"1e999", "NaN", "Infinity", "null"}) {
    EXPECT_NE(ParseError("0.5", number), "") << number;
  }
  EXPECT_FALSE(FromJson<Bicycle>("[]").ok());
  EXPECT_FALSE(FromJson<Bicycle>("{").ok());
}

TEST(SpecTest, SetsFieldsByPath) {
  Bicycle bicycle;
  const std::vector<SpecField> fields = Fields(bicycle);
  for (const char* assignment :
       {"wheel.radius=1e-1", "wheel.spokes=-3", "bell=false", "name=a=b",
        "colors=blue,green"}) {
    const auto path = SetByPath(fields, assignment);
    EXPECT_TRUE(path.ok()) << path.status();
  }
  EXPECT_EQ(bicycle.wheel.radius, 0.1);
  EXPECT_EQ(bicycle.wheel.spokes, -3);
  EXPECT_FALSE(bicycle.bell);
  EXPECT_EQ(bicycle.name, "a=b");
  EXPECT_THAT(bicycle.colors, ElementsAre("blue", "green"));
  EXPECT_EQ(*SetByPath(fields, "colors="), "colors");
  EXPECT_TRUE(bicycle.colors.empty());
}

std::string SetError(const std::string& assignment) {
  Bicycle bicycle;
  const std::string before = ToJson(bicycle);
  const auto path = SetByPath(Fields(bicycle), assignment);
  EXPECT_FALSE(path.ok()) << assignment;
  EXPECT_EQ(ToJson(bicycle), before) << assignment;
  return std::string(path.status().message());
}

TEST(SpecTest, RefusesTextsThatAreNoValue) {
  EXPECT_EQ(SetError("wheel.spokes=3x"),
            "wheel.spokes: '3x' is not an integer");
  EXPECT_EQ(SetError("wheel.radius=1e999"),
            "wheel.radius: '1e999' is not a number");
  EXPECT_EQ(SetError("wheel.radius=inf"),
            "wheel.radius: the number must be finite");
  EXPECT_EQ(SetError("name=\xff"), "name: the text must be UTF-8");
  EXPECT_EQ(SetError("colors=red,\xff"), "colors: the text must be UTF-8");
  EXPECT_EQ(SetError("radius=1"),
            "there is no field 'radius'; known: name, bell, colors, "
            "wheel.radius, wheel.spokes");
  EXPECT_EQ(SetError("bell"),
            "'bell' is no assignment; it looks like name=roadster");
  for (const char* assignment :
       {"wheel.spokes=", "wheel.spokes= 3", "wheel.spokes=3 ",
        "wheel.spokes=9223372036854775808", "wheel.spokes=1.0",
        "wheel.radius=nan", "wheel.radius=", "wheel.radius=0.5m", "bell=yes",
        "colors=red,,blue"}) {
    SetError(assignment);
  }
}

TEST(SpecTest, ChecksWhatJsonCannotHold) {
  Bicycle bicycle;
  EXPECT_TRUE(CheckValues(Fields(bicycle)).ok());
  bicycle.wheel.radius = std::numeric_limits<double>::infinity();
  EXPECT_EQ(CheckValues(Fields(bicycle)).message(),
            "wheel.radius: the number must be finite");
  bicycle = Bicycle();
  bicycle.name = "\xc3";
  EXPECT_EQ(CheckValues(Fields(bicycle)).message(),
            "name: the text must be UTF-8");
}

}  // namespace
}  // namespace cnn_fp4::base
