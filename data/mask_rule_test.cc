#include "data/mask_rule.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Counts = std::map<uint16_t, int64_t>;

// The masks m0, m1, ...
std::vector<MaskValues> Masks(const std::vector<Counts>& all) {
  std::vector<MaskValues> masks;
  for (const Counts& counts : all) {
    masks.push_back(
        {absl::StrCat("m", masks.size()), {counts.begin(), counts.end()}});
  }
  return masks;
}

absl::StatusOr<MaskMeaning> Decide(const std::vector<Counts>& masks,
                                   int ignore_index = 255,
                                   std::vector<std::string> names = {}) {
  return DecideMeaning("root", Masks(masks), ignore_index, names);
}

std::string Error(const std::vector<Counts>& masks, int ignore_index = 255,
                  std::vector<std::string> names = {}) {
  return std::string(Decide(masks, ignore_index, names).status().message());
}

std::vector<std::string> Names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("c", i));
  return names;
}

const Counts kZero = {{0, 100}};
const Counts kBinary = {{0, 60}, {255, 40}};
const Counts kOne = {{0, 60}, {1, 40}};
const Counts kOneAndIgnored = {{0, 60}, {1, 30}, {255, 10}};

TEST(MaskRuleTest, BinaryMasks) {
  for (const int ignore_index : {255, -1}) {
    const auto meaning = Decide({kBinary, kZero, {{255, 100}}}, ignore_index);
    ASSERT_TRUE(meaning.ok()) << meaning.status();
    EXPECT_EQ(meaning->rule.kind, MaskRule::Kind::kBinary);
    EXPECT_EQ(meaning->rule.ClassOf(255), 1);
    EXPECT_EQ(meaning->text, "mask value 255 is foreground");
  }
}

TEST(MaskRuleTest, BinaryMasksWithAnIgnoredValue) {
  const auto meaning =
      Decide({kBinary, {{0, 50}, {128, 9}, {255, 41}}}, 128, {"sky", "bird"});
  ASSERT_TRUE(meaning.ok()) << meaning.status();
  EXPECT_EQ(meaning->rule.ClassOf(0), 0);
  EXPECT_EQ(meaning->rule.ClassOf(255), 1);
  EXPECT_EQ(meaning->rule.ClassOf(128), kIgnore);
  EXPECT_EQ(meaning->text, "mask value 255 is bird, 128 is ignored");
}

TEST(MaskRuleTest, MasksOfClassesIgnore255) {
  const auto meaning = Decide({kOne, kOneAndIgnored, kOne, kZero, kBinary});
  ASSERT_TRUE(meaning.ok()) << meaning.status();
  EXPECT_EQ(meaning->rule.ClassOf(255), kIgnore);
  EXPECT_EQ(meaning->rule.ClassOf(1), 1);
  EXPECT_EQ(meaning->text, "mask values are class numbers, 255 is ignored");
  EXPECT_THAT(meaning->warnings,
              ::testing::ElementsAre(HasSubstr("(first: m4)")));
  EXPECT_TRUE(Decide({kOne, kOne})->warnings.empty());
}

// Fewer than half of the masks cannot change what 255 means in the others.
TEST(MaskRuleTest, AMaskThatContradictsIsNamed) {
  EXPECT_THAT(Error({kBinary, kBinary, {{0, 99}, {254, 1}}}),
              StartsWith("m2: value 254 in 1 pixel contradicts 2 masks of 0 "
                         "and 255 only; it looks like a mask of 0 and 254"));
  EXPECT_THAT(Error({kBinary, kBinary, {{0, 60}, {7, 1}, {255, 39}}}),
              HasSubstr("m2: value 7 in 1 pixel contradicts 2 masks of 0 and "
                        "255 only; it looks like a stray value: store 0 or "
                        "255, or pass --ignore_index=7"));
  EXPECT_TRUE(Decide({kBinary, kBinary, {{0, 60}, {7, 1}, {255, 39}}}, 7).ok());
  // Whatever names say of the number of classes.
  EXPECT_THAT(Error({kBinary, kBinary, {{0, 60}, {1, 1}, {255, 39}}}, 255,
                    {"background", "foreground"}),
              HasSubstr("m2: value 1 in 1 pixel contradicts"));
  EXPECT_THAT(Error({kOne, kBinary, kBinary}),
              HasSubstr("m0: value 1 in 40 pixels contradicts 2 masks"));
  EXPECT_THAT(
      Error({kBinary, {{0, 50}, {9, 2}, {100, 3}, {200, 4}, {255, 41}}}),
      HasSubstr("m1: value 9 in 2 pixels contradicts 1 mask of 0 and 255 only; "
                "it looks anti-aliased"));
  EXPECT_THAT(Error({kBinary, {{0, 50}, {1, 2}, {2, 3}, {3, 4}}}),
              HasSubstr("it looks like class or instance numbers"));
}

TEST(MaskRuleTest, ABinaryMaskAmongMasksOfClassesIsNamed) {
  EXPECT_THAT(Error({kOne, kOne, kBinary}),
              StartsWith("m2: value 255 in 40 pixels contradicts 2 masks that "
                         "have class numbers without it"));
  EXPECT_THAT(Error({kOne, kOneAndIgnored, kBinary}, -1),
              HasSubstr("m2: value 255 in 40 pixels contradicts"));
}

TEST(MaskRuleTest, ValuesThatAreNoClass) {
  EXPECT_THAT(Error({kOne, {{0, 1}, {300, 7}}}),
              StartsWith("m1: value 300 in 7 pixels is no class (0 to 254); it "
                         "looks like instances"));
  EXPECT_THAT(Error({{{0, 1}, {65535, 7}}}),
              HasSubstr("a binary mask of 16 bits"));
  EXPECT_TRUE(Decide({{{0, 1}, {1, 1}, {65535, 7}}}, 65535).ok());
  EXPECT_THAT(Error({kOne, kOneAndIgnored}, -1),
              StartsWith("m1: value 255 in 10 pixels is no class (0 to 254); "
                         "pass --ignore_index=255"));
}

TEST(MaskRuleTest, GapsNeedNames) {
  const std::vector<Counts> stray = {kOne, {{0, 9}, {1, 9}, {200, 1}}};
  EXPECT_THAT(Error(stray),
              StartsWith("m1: value 200 in 1 pixel leaves a gap: no mask has "
                         "the class 2 (and so 0 other masks)"));
  EXPECT_THAT(Error(stray), HasSubstr("name all 201 with --class_names"));
  EXPECT_EQ(Decide(stray, 255, Names(201))->class_names.size(), 201u);
  EXPECT_THAT(Error(stray, 255, Names(2)),
              StartsWith("m1: value 200 in 1 pixel has no name: --class_names "
                         "names 2 classes (0 to 1)"));
  EXPECT_THAT(Error({{{0, 9}, {128, 9}}}),
              HasSubstr("binary ones whose foreground is 128"));
  EXPECT_THAT(Error({{{0, 9}, {128, 1}, {255, 9}}}),
              HasSubstr("pass --ignore_index=128"));
  EXPECT_THAT(Error({{{0, 9}, {30, 1}, {128, 1}, {200, 1}, {255, 9}}}),
              HasSubstr("look anti-aliased or resized"));
  EXPECT_THAT(Error({{{1, 9}, {2, 9}}}), HasSubstr("counted from 1"));
  EXPECT_THAT(Error({kOne}, 0), HasSubstr("no mask has the class 0"));
  EXPECT_THAT(Error({kBinary}, 255, {"one"}),
              HasSubstr("--class_names has 1 name, but"));
}

TEST(MaskRuleTest, ManyClassesNeedNames) {
  Counts dense;
  for (uint16_t i = 0; i < 64; ++i) dense[i] = 2;
  EXPECT_TRUE(Decide({dense, dense}).ok());
  dense[64] = 3;
  EXPECT_THAT(Error({dense, dense}),
              StartsWith("m0: value 64 in 3 pixels makes more than 64 classes "
                         "without names"));
  EXPECT_THAT(Error({dense, dense}), HasSubstr("photographs"));
  EXPECT_TRUE(Decide({dense, dense}, 255, Names(65)).ok());
}

TEST(MaskRuleTest, InstancesNeedNames) {
  const std::vector<Counts> instances = {
      {{0, 9}, {1, 3}, {2, 3}, {3, 3}},
      {{0, 9}, {1, 3}, {2, 3}, {3, 3}, {4, 3}, {5, 2}},
      {{0, 9}, {1, 3}}};
  EXPECT_THAT(Error(instances), HasSubstr("look like instance numbers"));
  EXPECT_TRUE(Decide(instances, 255, Names(6)).ok());
  // A mask with class 4 and without 1: classes.
  std::vector<Counts> classes = instances;
  classes.push_back({{0, 9}, {4, 3}});
  EXPECT_TRUE(Decide(classes).ok());
}

TEST(MaskRuleTest, NothingToLearn) {
  EXPECT_THAT(Error({kZero, kZero}), HasSubstr("nothing to learn"));
  EXPECT_THAT(Error({{{7, 100}}}, 7), HasSubstr("nothing to learn"));
}

}  // namespace
}  // namespace cnn_fp4::data
