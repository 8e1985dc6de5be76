#include "data/mvtec_dataset.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// Category "nut": 8 good, 9 bent, 2 cut in test, 4 good in train. Images are
// 2x2; the masks have the defect in the first pixel, as 255 or 200.
class MvtecTest : public ::testing::Test {
 protected:
  MvtecTest() : root_(MakeTempDir()) {
    AddImages("test/good", 8);
    AddImages("train/good", 4);
    AddDefects("bent", 9);
    AddDefects("cut", 2);
    options_.data_root = root_;
  }

  void AddImages(const std::string& group, int count) {
    for (int i = 0; i < count; ++i) {
      WriteTestFile(absl::StrFormat("%s/nut/%s/%03d.png", root_, group, i),
                    GreyPng(2, 2,
                            {uint16_t(i), uint16_t(group.size()),
                             uint16_t(group.back()), 0}));
    }
  }

  void AddDefects(const std::string& defect, int count) {
    AddImages("test/" + defect, count);
    for (int i = 0; i < count; ++i) {
      const uint16_t value = i % 2 == 0 ? 255 : 200;
      WriteTestFile(absl::StrFormat("%s/nut/ground_truth/%s/%03d%s.png", root_,
                                    defect, i, i == 0 ? "" : "_mask"),
                    GreyPng(2, 2, {value, 0, 0, 0}));
    }
  }

  // Samples by folder, train and val.
  using Counts = std::map<std::string, std::pair<int, int>>;
  Counts Count() {
    absl::StatusOr<DatasetPair> pair = OpenMvtec(spec_, options_);
    EXPECT_TRUE(pair.ok()) << pair.status();
    Counts counts;
    std::set<std::string> names;
    for (const auto& dataset : {pair->train, pair->val}) {
      for (int64_t i = 0; i < dataset->size(); ++i) {
        const std::string name = dataset->Get(i)->name;
        EXPECT_TRUE(names.insert(name).second) << name;
        auto& count = counts[name.substr(0, name.rfind('/'))];
        ++(dataset == pair->train ? count.first : count.second);
      }
    }
    return counts;
  }

  std::string Error() {
    return std::string(OpenMvtec(spec_, options_).status().message());
  }

  const std::string root_;
  DatasetSpec spec_;
  ReadOptions options_;
};

TEST_F(MvtecTest, SubsetsSplitEveryFolderThreeToOne) {
  const Counts test = {
      {"test/good", {6, 2}}, {"test/bent", {7, 2}}, {"test/cut", {1, 1}}};
  EXPECT_EQ(Count(), test);
  spec_.mvtec_subset = "train";
  EXPECT_EQ(Count(), (Counts{{"train/good", {3, 1}}}));
  spec_.mvtec_subset = "all";
  Counts all = test;
  all["train/good"] = {3, 1};
  EXPECT_EQ(Count(), all);
}

// The split must be the same for everybody, for ever.
TEST_F(MvtecTest, TheSplitIsPinned) {
  absl::StatusOr<DatasetPair> pair = OpenMvtec(spec_, options_);
  ASSERT_TRUE(pair.ok());
  std::vector<std::string> val;
  for (int64_t i = 0; i < pair->val->size(); ++i) {
    val.push_back(pair->val->Get(i)->name);
  }
  EXPECT_EQ(val,
            (std::vector<std::string>{"test/bent/005.png", "test/bent/007.png",
                                      "test/cut/001.png", "test/good/003.png",
                                      "test/good/006.png"}));
}

TEST_F(MvtecTest, BinaryAndPerDefectClasses) {
  absl::StatusOr<DatasetPair> pair = OpenMvtec(spec_, options_);
  ASSERT_TRUE(pair.ok());
  EXPECT_EQ(pair->val->class_names(),
            (std::vector<std::string>{"good", "defect"}));
  spec_.mvtec_labels = "per_defect";
  absl::StatusOr<DatasetPair> per_defect = OpenMvtec(spec_, options_);
  ASSERT_TRUE(per_defect.ok());
  EXPECT_EQ(per_defect->train->class_names(),
            (std::vector<std::string>{"good", "bent", "cut"}));
  for (int64_t i = 0; i < pair->train->size(); ++i) {
    const Sample sample = *per_defect->train->Get(i);
    const absl::string_view name = sample.name;
    const uint8_t expected = name.substr(0, 9) == "test/bent"  ? 1
                             : name.substr(0, 8) == "test/cut" ? 2
                                                               : 0;
    EXPECT_EQ(sample.mask, (std::vector<uint8_t>{expected, 0, 0, 0})) << name;
    EXPECT_EQ(pair->train->Get(i)->mask[0], expected > 0 ? 1 : 0);
  }
}

TEST_F(MvtecTest, FindsTheCategory) {
  spec_.category = "nut";
  EXPECT_EQ(Error(), "");
  spec_.category = "";
  options_.data_root = root_ + "/nut";
  EXPECT_EQ(Error(), "");
  options_.data_root = root_;
  std::filesystem::create_directories(root_ + "/bolt/test");
  EXPECT_EQ(Error(), root_ +
                         ": several categories; choose one with "
                         "--category=bolt|nut");
  spec_.category = "nail";
  EXPECT_EQ(Error(), root_ +
                         "/nail: no such directory (category \"nail\"); "
                         "check --data_root and the dataset's layout");
  spec_.category = "bolt";
  EXPECT_EQ(Error(), root_ +
                         "/bolt/test: empty, no folder of defects; check "
                         "--data_root");
  options_.data_root = MakeTempDir();
  spec_.category = "";
  EXPECT_EQ(Error(), options_.data_root +
                         ": no category here, that is a folder "
                         "with test/; check --data_root");
}

TEST_F(MvtecTest, MissingMask) {
  std::filesystem::remove(root_ + "/nut/ground_truth/cut/001_mask.png");
  EXPECT_EQ(Error(), root_ + "/nut/test/cut/001.png: this image has no mask " +
                         root_ +
                         "/nut/ground_truth/cut/001_mask.png; add it or remove "
                         "the image");
}

TEST_F(MvtecTest, MaskOfAnotherSize) {
  for (int i = 0; i < 9; ++i) {
    WriteTestFile(absl::StrFormat("%s/nut/ground_truth/bent/%03d%s.png", root_,
                                  i, i == 0 ? "" : "_mask"),
                  GreyPng(3, 2, 255));
  }
  EXPECT_NE(Error().find("the mask is 3x2 but its image"), std::string::npos)
      << Error();
}

TEST_F(MvtecTest, SuspiciousDataAreWarnedOf) {
  absl::StatusOr<DatasetPair> pair = OpenMvtec(spec_, options_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_TRUE(pair->warnings.empty()) << pair->warnings[0];
  EXPECT_EQ(pair->val->Describe(),
            absl::StrCat("mvtec ", root_,
                         "/nut, subset test, val: 5 images, 2x2, 2 classes "
                         "(good 85.00 %, defect 15.00 %), any mask value but 0 "
                         "is a defect"));
  std::filesystem::create_directories(root_ + "/nut/test/__MACOSX");
  WriteTestFile(root_ + "/nut/ground_truth/cut/001_mask.png", GreyPng(2, 2, 0));
  WriteTestFile(root_ + "/nut/ground_truth/cut/007_mask.png", "not read");
  pair = OpenMvtec(spec_, options_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(
      pair->warnings,
      (std::vector<std::string>{
          root_ + "/nut/test: folders without an image skipped: 1 (__MACOSX)",
          root_ + "/nut/ground_truth/cut: masks without an image: 1 "
                  "(007_mask.png)",
          "mvtec " + root_ +
              "/nut, subset test, val: masks of a defect are all background: 1 "
              "(" +
              root_ + "/nut/ground_truth/cut/001_mask.png)"}));
}

TEST_F(MvtecTest, GoodImagesAloneTeachNothing) {
  spec_.mvtec_subset = "train";
  absl::StatusOr<DatasetPair> pair = OpenMvtec(spec_, options_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  ASSERT_FALSE(pair->warnings.empty());
  EXPECT_NE(pair->warnings[0].find("train: every pixel that counts is good"),
            std::string::npos)
      << pair->warnings[0];
}

TEST_F(MvtecTest, EmptySplit) {
  spec_.mvtec_subset = "train";
  for (int i = 1; i < 4; ++i) {
    std::filesystem::remove(
        absl::StrFormat("%s/nut/train/good/%03d.png", root_, i));
  }
  EXPECT_EQ(Error(), root_ +
                         "/nut: empty split, the subset \"train\" has 1 "
                         "images; at least 2 are needed");
}

}  // namespace
}  // namespace cnn_fp4::data
