#include "data/folder_dataset.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset_registry.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// Two images of 3x2 a split; the masks hold `values`.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() : root_(MakeTempDir()) {}

  void Write(const std::string& path, const std::string& bytes) {
    WriteTestFile(root_ + "/" + path, bytes);
  }

  void WriteBoth(std::vector<uint16_t> values,
                 const std::string& masks = "masks") {
    for (const std::string split : {"train", "val"}) {
      for (const std::string name : {"a", "b"}) {
        Write(split + "/images/" + name + ".png", GreyPng(3, 2, 50));
        Write(split + "/" + masks + "/" + name + ".png", GreyPng(3, 2, values));
      }
    }
  }

  absl::StatusOr<DatasetPair> Open(int ignore_index = kIgnore,
                                   std::vector<std::string> names = {}) {
    DatasetSpec spec;
    spec.dataset = "folder";
    spec.ignore_index = ignore_index;
    spec.class_names = std::move(names);
    ReadOptions options;
    options.data_root = root_;
    return OpenDataset(spec, options);
  }

  // The message of opening, or of the first Get.
  std::string Error(int ignore_index = kIgnore,
                    std::vector<std::string> names = {}) {
    absl::StatusOr<DatasetPair> pair = Open(ignore_index, std::move(names));
    if (!pair.ok()) return std::string(pair.status().message());
    return std::string(pair->train->Get(0).status().message());
  }

  std::vector<uint8_t> Mask() {
    absl::StatusOr<DatasetPair> pair = Open();
    EXPECT_TRUE(pair.ok()) << pair.status();
    absl::StatusOr<Sample> sample = pair->train->Get(0);
    EXPECT_TRUE(sample.ok()) << sample.status();
    return sample->mask;
  }

  const std::string root_;
};

using Mask8 = std::vector<uint8_t>;

TEST_F(FolderTest, ValuesAreClassesAnd255IsIgnored) {
  WriteBoth({0, 1, 2, 255, 0, 3});
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->train->size(), 2);
  EXPECT_EQ(pair->train->Get(1)->name, "train/images/b.png");
  EXPECT_EQ(pair->train->Get(0)->mask, (Mask8{0, 1, 2, kIgnore, 0, 3}));
  EXPECT_EQ(pair->val->Describe(),
            "folder " + root_ +
                ", val: 2 images, 3x2, 4 classes (background 40.00 %, class_1 "
                "20.00 %, class_2 20.00 %, class_3 20.00 %), mask values are "
                "class numbers, 255 is ignored (16.67 % of all pixels)");
}

TEST_F(FolderTest, ZeroAnd255AloneAreBinary) {
  WriteBoth({0, 255, 0, 255, 0, 0}, "labels");
  EXPECT_EQ(Mask(), (Mask8{0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(Open()->train->class_names(),
            (std::vector<std::string>{"background", "foreground"}));
}

TEST_F(FolderTest, IgnoreIndexCanBeAnyValueOrNone) {
  WriteBoth({0, 1, 65535, 2, 0, 0});
  EXPECT_EQ(Open(65535)->train->Get(0)->mask, (Mask8{0, 1, kIgnore, 2, 0, 0}));
  EXPECT_NE(Error(9).find("a.png: value 65535 in 1 pixel is no class"),
            std::string::npos)
      << Error(9);
  WriteBoth({0, 1, 255, 0, 0, 0});
  EXPECT_EQ(Error(-1),
            root_ +
                "/train/masks/a.png: value 255 in 1 pixel is no class (0 to "
                "254); pass --ignore_index=255 if it means \"ignore\"");
  EXPECT_EQ(
      Error(-2),
      "ignore_index -2 is no mask value; give 0 to 65535, or -1 for none");
}

TEST_F(FolderTest, ClassNames) {
  WriteBoth({0, 1, 2, 0, 0, 0});
  EXPECT_EQ(Open(kIgnore, {"bg", "cat", "dog", "cow"})->val->class_names(),
            (std::vector<std::string>{"bg", "cat", "dog", "cow"}));
  EXPECT_EQ(Error(kIgnore, {"bg", "cat"}),
            root_ +
                "/train/masks/a.png: value 2 in 1 pixel has no name: "
                "--class_names names 2 classes (0 to 1) (and so 3 other "
                "masks); name them all, the background first, or correct the "
                "mask");
}

TEST_F(FolderTest, ListFilesReplaceTheFolders) {
  Write("any where/x.png", GreyPng(3, 2, 50));
  Write("m/y.png", GreyPng(3, 2, {0, 1, 0, 0, 0, 0}));
  Write("any/x.png", GreyPng(3, 2, 60));
  Write("train.txt", "any where/x.png\tm/y.png\r\n\n");
  Write("val.txt", "any/x.png m/y.png\nany/x.png  m/y.png");
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->train->size(), 1);
  EXPECT_EQ(pair->train->Get(0)->name, "any where/x.png");
  EXPECT_EQ(pair->val->size(), 2);
  EXPECT_EQ(pair->val->Get(1)->image.pixels[0], 60);
}

TEST_F(FolderTest, ListErrorsNameTheLine) {
  Write("x.png", GreyPng(3, 2, 50));
  Write("train.txt", "x.png x.png\nx.png\n");
  EXPECT_EQ(Error(), root_ +
                         "/train.txt:2: 1 field, expected \"image mask\"; "
                         "use a tab between names with blanks");
  Write("train.txt", "x.png y.png\n");
  EXPECT_EQ(Error(), root_ + "/train.txt:1: there is no file " + root_ +
                         "/y.png; correct the list (paths are relative to " +
                         root_ + ")");
  Write("train.txt", "\n");
  EXPECT_EQ(Error(), root_ +
                         "/train.txt: empty split; add at least one \"image "
                         "mask\" line");
}

TEST_F(FolderTest, MissingDirectories) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  std::filesystem::remove_all(root_ + "/val/images");
  EXPECT_EQ(Error(), root_ +
                         "/val/images: no such directory (images of the "
                         "split \"val\"; or a list " +
                         root_ +
                         "/val.txt); check --data_root and the dataset's "
                         "layout");
  WriteBoth({0, 1, 0, 0, 0, 0});
  std::filesystem::remove_all(root_ + "/train/masks");
  EXPECT_NE(Error().find("/train/masks: no such directory"), std::string::npos);
  std::filesystem::remove_all(root_);
  EXPECT_EQ(Error(), root_ +
                         ": no such directory (the dataset); check "
                         "--data_root and the dataset's layout");
}

TEST_F(FolderTest, EmptySplit) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  std::filesystem::remove_all(root_ + "/val/images");
  Write("val/images/notes.txt", "nothing");
  EXPECT_EQ(Error(),
            root_ +
                "/val/images: empty split, no .png, .jpg or .jpeg "
                "here (skipped: notes.txt (no .png, .jpg or .jpeg)); add "
                "images");
}

TEST_F(FolderTest, ImageWithoutMask) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  Write("train/images/c.JPG", GreyPng(3, 2, 1));
  EXPECT_EQ(Error(), root_ + "/train/images/c.JPG: this image has no mask " +
                         root_ +
                         "/train/masks/c.png; add it or remove the image");
}

TEST_F(FolderTest, TwoImagesForOneMask) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  Write("train/images/a.jpg", GreyPng(3, 2, 1));
  EXPECT_NE(Error().find("a.png: a.jpg beside it has the same name"),
            std::string::npos)
      << Error();
}

TEST_F(FolderTest, MaskOfAnotherSize) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  Write("val/masks/a.png", GreyPng(2, 3, 1));
  EXPECT_EQ(Error(),
            root_ + "/val/masks/a.png: the mask is 2x3 but its image " + root_ +
                "/val/images/a.png is 3x2; make the mask anew at the "
                "image's size");
}

TEST_F(FolderTest, TruncatedAndMislabelledFiles) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  const std::string whole = GreyPng(3, 2, 50);
  // Complete header, broken pixels: found when the image is decoded.
  Write("train/images/a.png", whole.substr(0, whole.size() - 14));
  EXPECT_EQ(Error(), root_ +
                         "/train/images/a.png: damaged PNG (the file ends "
                         "too early); copy or download the file again");
  Write("train/images/a.png", "GIF89a");
  EXPECT_EQ(Error(), root_ +
                         "/train/images/a.png: neither PNG nor JPEG, "
                         "whatever its name says (6 bytes); convert it to "
                         "one of them");
  Write("train/images/a.png", PngThatDeclares(60'000, 60'000));
  EXPECT_NE(Error().find("declares 60000x60000"), std::string::npos) << Error();
}

TEST_F(FolderTest, NothingToLearn) {
  WriteBoth({0, 0, 0, 0, 0, 0});
  EXPECT_EQ(Error(), root_ +
                         ": all masks are background (or ignored) "
                         "everywhere, so there is nothing to learn; check "
                         "the masks and --ignore_index");
}

// A file that changed since opening.
TEST_F(FolderTest, ALaterClassIsAnErrorOfGet) {
  WriteBoth({0, 1, 0, 0, 0, 0});
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok());
  Write("train/masks/a.png", GreyPng(3, 2, {0, 0, 0, 0, 7, 0}));
  EXPECT_EQ(pair->train->Get(0).status().message(),
            root_ +
                "/train/masks/a.png: value 7 at pixel 1,1 is no class "
                "(there are 2); correct the mask, --class_names or "
                "--ignore_index");
}

TEST(RegistryTest, RefusesWhatMakesNoSense) {
  DatasetSpec spec;
  ReadOptions options;
  const auto error = [&] {
    return std::string(OpenDataset(spec, options).status().message());
  };
  spec.dataset = "coco";
  EXPECT_EQ(error(),
            "data_root is missing: --dataset=coco needs the directory of the "
            "data set");
  spec = DatasetSpec();
  options.data_root = "/data";
  EXPECT_EQ(error(),
            "data_root is not read by --dataset=nuclei; for images of your "
            "own choose --dataset=folder");
  options = ReadOptions();
  options.max_pixels = 0;
  EXPECT_EQ(error(), "max_pixels is 0; it must be 1 to 2147483647");
  options.max_pixels = 256 * 256;  // One image is larger.
  EXPECT_NE(error().find("more than the limit of 65536; resize it or raise "
                         "--max_pixels"),
            std::string::npos);
  spec.dataset = "imagenet";
  EXPECT_EQ(error(),
            "dataset 'imagenet' is unknown; it is one of nuclei, folder, "
            "mvtec, coco, synthetic");
}

}  // namespace
}  // namespace cnn_fp4::data
