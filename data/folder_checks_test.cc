// What a folder of plausible but bad data is refused for, or warned of.

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/dataset_registry.h"
#include "data/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Values = std::vector<uint16_t>;

// Images of 3x2: two in train, one in val, each of another grey.
class FolderChecksTest : public ::testing::Test {
 protected:
  FolderChecksTest() : root_(MakeTempDir()) {
    Add("train", "a", {0, 1, 0, 0, 0, 0});
    Add("train", "b", {0, 1, 1, 0, 0, 0});
    Add("val", "c", {1, 1, 1, 0, 0, 0});
    spec_.dataset = "folder";
    options_.data_root = root_;
  }

  void Write(const std::string& path, const std::string& bytes) {
    WriteTestFile(root_ + "/" + path, bytes);
  }

  void Add(const std::string& split, const std::string& name,
           const Values& mask) {
    Write(absl::StrCat(split, "/images/", name, ".png"),
          GreyPng(3, 2, static_cast<uint16_t>(name[0] + split[0])));
    Write(absl::StrCat(split, "/masks/", name, ".png"), GreyPng(3, 2, mask));
  }

  std::string Error() {
    return std::string(OpenDataset(spec_, options_).status().message());
  }

  std::vector<std::string> Warnings() {
    absl::StatusOr<DatasetPair> pair = OpenDataset(spec_, options_);
    EXPECT_TRUE(pair.ok()) << pair.status();
    return pair.ok() ? pair->warnings : std::vector<std::string>();
  }

  const std::string root_;
  DatasetSpec spec_;
  ReadOptions options_;
};

TEST_F(FolderChecksTest, GoodDataHaveNoWarnings) {
  EXPECT_THAT(Warnings(), IsEmpty());
  EXPECT_EQ(OpenDataset(spec_, options_)->train->Describe(),
            "folder " + root_ +
                ", train: 2 images, 3x2, 2 classes (background 75.00 %, "
                "class_1 25.00 %), mask values are class numbers, 255 is "
                "ignored");
}

TEST_F(FolderChecksTest, AContradictingMaskOfTheOtherSplitIsNamed) {
  Add("val", "c", {0, 255, 255, 0, 0, 0});
  EXPECT_THAT(Error(), StartsWith(root_ + "/val/masks/c.png: value 255 in 2 "
                                          "pixels contradicts 2 masks"));
}

TEST_F(FolderChecksTest, IgnoredPixels) {
  Add("train", "b", {255, 255, 255, 255, 255, 255});
  EXPECT_THAT(Error(), HasSubstr("/train/masks/b.png: value 255 in 6 pixels"));
  Add("train", "a", {0, 1, 0, 0, 0, 255});
  Add("train", "d", {0, 1, 0, 0, 0, 0});
  EXPECT_THAT(Warnings(),
              ElementsAre(HasSubstr("1 mask of background and ignored pixels"),
                          HasSubstr("1 of 3 masks are ignored everywhere "
                                    "(first: " +
                                    root_ + "/train/masks/b.png)")));
  EXPECT_THAT(OpenDataset(spec_, options_)->train->Describe(),
              HasSubstr("255 is ignored (38.89 % of all pixels)"));
}

TEST_F(FolderChecksTest, ASplitThatIsIgnoredEverywhere) {
  spec_.ignore_index = 9;
  for (const std::string split : {"train", "val"}) {
    Add("train", "a", {0, 1, 0, 0, 0, 0});
    Add("train", "b", {0, 1, 0, 0, 0, 0});
    Add("val", "c", {0, 1, 0, 0, 0, 0});
    for (const char* name : {"a", "b", "c"}) {
      if ((split == "val") == (name[0] == 'c')) {
        Add(split, name, {9, 9, 9, 9, 9, 9});
      }
    }
    EXPECT_THAT(Error(), AllOf(StartsWith("folder " + root_ + ", " + split),
                               HasSubstr("every pixel of every mask is "
                                         "ignored")));
  }
}

TEST_F(FolderChecksTest, OneClassInASplit) {
  Add("val", "c", {0, 0, 0, 0, 0, 0});
  EXPECT_THAT(Warnings(),
              ElementsAre(HasSubstr("val: every pixel that counts is "
                                    "background"),
                          HasSubstr("val: no pixel of class_1, which train "
                                    "has")));
  Add("val", "c", {0, 1, 0, 0, 0, 0});
  Add("train", "a", {0, 0, 0, 0, 0, 0});
  Add("train", "b", {0, 0, 0, 0, 0, 0});
  EXPECT_THAT(Error(), HasSubstr("train: every pixel that counts is "
                                 "background, so there is nothing to learn"));
}

TEST_F(FolderChecksTest, ClassesThatASplitLacks) {
  Add("train", "a", {0, 1, 3, 0, 0, 0});
  Add("val", "c", {0, 1, 2, 0, 0, 0});
  spec_.class_names = {"sky", "cat", "dog", "cow", "gnu"};
  EXPECT_THAT(
      Warnings(),
      ElementsAre(HasSubstr("train: no pixel of dog, which val has"),
                  HasSubstr("val: no pixel of cow, which train has"),
                  HasSubstr("train and val: no pixel of gnu, whose outputs")));
}

TEST_F(FolderChecksTest, ValidationOnTrainingImages) {
  spec_.val_split = "train";
  EXPECT_THAT(Warnings(),
              ElementsAre(AllOf(
                  HasSubstr("2 images of val are training images"),
                  HasSubstr("train/images/a.png is train/images/a.png"))));
  spec_.val_split = "";
  std::filesystem::copy(root_ + "/train/images/b.png",
                        root_ + "/val/images/x.png");
  Write("val/masks/x.png", GreyPng(3, 2, Values{0, 1, 0, 0, 0, 0}));
  EXPECT_THAT(
      Warnings(),
      ElementsAre(HasSubstr("val/images/x.png equals train/images/b.png")));
}

TEST_F(FolderChecksTest, ImagesListedTwice) {
  Write("train.txt",
        "train/images/a.png train/masks/a.png\n"
        "train/images/../images/a.png train/masks/a.png\n"
        "train/images/b.png train/masks/b.png\n");
  EXPECT_THAT(Warnings(),
              ElementsAre(HasSubstr(
                  "1 image of train listed more than once, which count as "
                  "often: train/images/../images/a.png")));
}

TEST_F(FolderChecksTest, SkippedFilesAreNamed) {
  Write("train/images/.c.png", "hidden");
  Write("train/images/.DS_Store", "not of interest");
  std::filesystem::create_symlink("/nonexistent",
                                  root_ + "/train/images/d.png");
  std::filesystem::create_directory(root_ + "/train/images/e.jpg");
  ASSERT_EQ(::mkfifo((root_ + "/train/images/f.png").c_str(), 0600), 0);
  Write("train/images/g.tif", "another kind");
  Write("train/masks/d.png", GreyPng(3, 2, Values{0, 1, 0, 0, 0, 0}));
  Write("val/masks/y.png", "never read");
  EXPECT_THAT(
      Warnings(),
      ElementsAre(root_ +
                      "/train/images: files skipped: 5 (.c.png (hidden), d.png "
                      "(a broken link), e.jpg (a directory) and 2 more)",
                  root_ + "/train/masks: masks without an image: 1 (d.png)",
                  root_ + "/val/masks: masks without an image: 1 (y.png)"));
}

TEST_F(FolderChecksTest, AllImagesSkipped) {
  std::filesystem::remove(root_ + "/val/images/c.png");
  std::filesystem::create_symlink("gone", root_ + "/val/images/c.png");
  EXPECT_THAT(Error(), HasSubstr("(skipped: c.png (a broken link))"));
}

TEST_F(FolderChecksTest, SwappedFolders) {
  Values levels;
  std::vector<uint8_t> noise;
  for (int i = 0; i < 64; ++i) levels.push_back(static_cast<uint16_t>(i / 2));
  for (int i = 0; i < 64 * 3; ++i)
    noise.push_back(static_cast<uint8_t>(37 * i));
  Values mask(64, 0);
  mask[5] = 255;
  const auto write = [&](const std::string& photo) {
    for (const std::string split : {"train", "val"}) {
      std::filesystem::remove_all(root_ + "/" + split);
      Write(split + "/images/a.png", GreyPng(8, 8, mask));
      Write(split + "/masks/a.png", photo);
    }
  };
  TestPng colour;
  colour.width = colour.height = 8;
  colour.color_type = 2;
  colour.values.assign(noise.begin(), noise.end());
  // Dark grey photographs would pass for 32 classes.
  for (const std::string& photo :
       {GreyPng(8, 8, levels), EncodePng(colour), EncodeJpeg(8, 8, 3, noise)}) {
    write(photo);
    EXPECT_EQ(Error().rfind(root_ +
                                "/train/masks/a.png: this mask looks like "
                                "an image, and " +
                                root_ + "/train/images/a.png like a mask",
                            0),
              0u)
        << Error();
  }
  write(GreyPng(8, 8, levels));
  for (int i = 0; i < 32; ++i) {
    spec_.class_names.push_back(absl::StrCat("c", i));
  }
  EXPECT_EQ(Error(), "");
}

TEST_F(FolderChecksTest, ListsOfOtherEncodings) {
  const std::string line = "train/images/a.png train/masks/a.png";
  Write("train.txt", "\xef\xbb\xbf" + line + "\r\n");
  EXPECT_EQ(Error(), "");
  std::string utf16;
  for (const char c : line) utf16 += {c, '\0'};
  for (const std::string mark : {"", "\xff\xfe"}) {
    Write("train.txt", mark + utf16);
    EXPECT_EQ(Error(), root_ +
                           "/train.txt: text in UTF-16 or UTF-32; store the "
                           "list in UTF-8");
  }
  Write("train.txt", line + "\r" + line + "\r");
  EXPECT_THAT(Error(), HasSubstr("train.txt:1: a carriage return without"));
  Write("train.txt", line + "\ntrain/a" + std::string(1, '\0') + ".png b\n");
  EXPECT_THAT(Error(), HasSubstr("train.txt:2: a NUL or another control "
                                 "character in train/a\\x00.png b"));
}

TEST_F(FolderChecksTest, LongNamesAreShortened) {
  for (const size_t length : {300, 1'000'000}) {
    Write("train.txt", std::string(length, 'x') + " m.png\n");
    EXPECT_THAT(Error(), AllOf(HasSubstr("train.txt:1: "),
                               HasSubstr("characters)...xxx")));
    EXPECT_LT(Error().size(), 800u);
  }
}

TEST_F(FolderChecksTest, AHugeFileIsRefusedBeforeItIsRead) {
  std::filesystem::resize_file(root_ + "/train/images/a.png",
                               int64_t{200} << 30);
  EXPECT_THAT(Error(), HasSubstr("a.png: 214748364800 bytes, more than the "
                                 "limit of 1073741824"));
}

}  // namespace
}  // namespace cnn_fp4::data
