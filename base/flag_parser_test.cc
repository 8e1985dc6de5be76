#include "base/flag_parser.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Sail {
  double area = 12.5;
  std::string cloth = "dacron";

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("area", self.area, "The area in square metres.");
    visit("cloth", self.cloth, "What it is made of.");
  }
};

struct Boat {
  std::vector<std::string> crew = {"ann"};
  int64_t berths = 2;
  bool engine = true;
  Sail sail;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("crew", self.crew, "Who sails.");
    visit("berths", self.berths, "Number of people who can sleep.");
    visit("engine", self.engine, "Whether there is an engine.");
    visit("sail", self.sail, "The sail");
  }
};

struct Parsed {
  Boat boat;
  std::string error;
  std::set<std::string> given;
};

Parsed Parse(std::vector<const char*> arguments) {
  Parsed result;
  FlagParser parser("Builds a boat.");
  parser.AddFields(Fields(result.boat), "The boat", {{"crew", "sailors"}});
  parser.AddSet(Fields(result.boat));
  arguments.insert(arguments.begin(), "boat");
  const auto parsed =
      parser.Parse(static_cast<int>(arguments.size()), arguments.data());
  result.error = std::string(parsed.status().message());
  if (parsed.ok()) result.given = parsed->given;
  return result;
}

TEST(FlagParserTest, ReadsEveryTypeInEverySpelling) {
  const Parsed with_equals = Parse({"--sailors=bob,eve", "--berths=-3",
                                    "--noengine", "--area=1e2", "--cloth=a b"});
  const Parsed with_blanks =
      Parse({"--berths", "-3", "--engine=false", "--area", "100", "--cloth",
             "a b", "--sailors", "bob", "eve"});
  const Parsed by_path = Parse({"--set", "crew=bob,eve", "--set=berths=-3",
                                "--set", "engine=false", "--set",
                                "sail.area=100", "--set", "sail.cloth=a b"});
  for (const Parsed& parsed : {with_equals, with_blanks, by_path}) {
    EXPECT_EQ(parsed.error, "");
    EXPECT_THAT(parsed.boat.crew, ElementsAre("bob", "eve"));
    EXPECT_EQ(parsed.boat.berths, -3);
    EXPECT_FALSE(parsed.boat.engine);
    EXPECT_EQ(parsed.boat.sail.area, 100);
    EXPECT_EQ(parsed.boat.sail.cloth, "a b");
    EXPECT_THAT(parsed.given, ElementsAre("berths", "crew", "engine",
                                          "sail.area", "sail.cloth"));
  }
}

TEST(FlagParserTest, AListIsFollowedByOtherFlags) {
  const Parsed parsed = Parse({"--sailors", "bob", "eve", "--berths", "4"});
  EXPECT_THAT(parsed.boat.crew, ElementsAre("bob", "eve"));
  EXPECT_EQ(parsed.boat.berths, 4);
}

TEST(FlagParserTest, NothingGivenIsNothingChanged) {
  const Parsed parsed = Parse({});
  EXPECT_EQ(parsed.error, "");
  EXPECT_THAT(parsed.given, IsEmpty());
  EXPECT_EQ(ToJson(parsed.boat), ToJson(Boat()));
}

TEST(FlagParserTest, AnEmptyValueDoesNotEatTheNextFlag) {
  const Parsed parsed =
      Parse({"--cloth=", "--sailors=", "--berths=7", "--engine"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.boat.sail.cloth, "");
  EXPECT_THAT(parsed.boat.crew, IsEmpty());
  EXPECT_EQ(parsed.boat.berths, 7);
  EXPECT_TRUE(parsed.boat.engine);
}

TEST(FlagParserTest, ErrorsAreOneLineThatNamesTheFlag) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{"--berths=many"}, "--berths: 'many' is not an integer"},
      {{"--area=inf"}, "--area: the number must be finite"},
      {{"--engine=perhaps"}, "--engine: 'perhaps' is not true or false"},
      {{"--birth=3"}, "unknown flag --birth; --help lists all"},
      {{"--berth=3"}, "unknown flag --berth; --help lists all"},
      {{"--set", "sail.areas=3"}, "--set there is no field 'sail.areas'"},
      {{"--set", "berths=x"}, "--set berths: 'x' is not an integer"},
      {{"--set", "berths=1", "--berths=1"}, "--set berths: the field is given"},
      {{"--set", "berths=1", "--set", "berths=1"}, "--set berths: the field"},
      {{"sloop"}, "unexpected argument 'sloop'"},
      {{"--berths=1", "sloop"}, "unexpected argument 'sloop'"},
      {{"--berths=1", "--berths=2"}, "--berths"},
      {{"--engine", "--noengine"}, "--engine"},
      {{"--berths"}, "--berths"},
  };
  for (const auto& [arguments, message] : cases) {
    const std::string error = Parse(arguments).error;
    EXPECT_THAT(error, HasSubstr(message));
    EXPECT_THAT(error, Not(HasSubstr("\n")));
  }
}

TEST(FlagParserTest, HelpHasPartsSentencesAndDefaults) {
  Boat boat;
  FlagParser parser("Builds a boat.");
  parser.AddFields(Fields(boat), "The boat");
  const char* arguments[] = {"boat", "--help"};
  const auto parsed = parser.Parse(2, arguments);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->help);
  const std::string help = parser.Help();
  for (const char* text :
       {"Builds a boat.", "\nThe boat:\n", "\nThe sail:\n", "--area NUMBER",
        "The area in square metres. Default: 12.5.", "--crew TEXT ...",
        "Default: true;\n", "--noengine turns it off.", "--berths INTEGER"}) {
    EXPECT_THAT(help, HasSubstr(text));
  }
}

TEST(FlagParserTest, MessagesOfChecksNameTheFlag) {
  Boat boat;
  FlagParser parser("Builds a boat.");
  parser.AddFields(Fields(boat), "The boat", {{"crew", "sailors"}});
  EXPECT_EQ(parser.WithFlag("area must be positive"),
            "--area must be positive");
  EXPECT_EQ(parser.WithFlag("crew: nobody"), "--sailors: nobody");
  EXPECT_EQ(parser.WithFlag("nobody knows"), "nobody knows");
}

}  // namespace
}  // namespace cnn_fp4::base
