#include "data/data_digest.h"

#include <filesystem>
#include <string>

#include "data/dataset_registry.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

std::string Hex(const std::vector<std::string>& texts) {
  DataDigest digest;
  for (const std::string& text : texts) digest.AddText(text);
  return digest.Hex();
}

TEST(DataDigestTest, TellsTextsApart) {
  EXPECT_EQ(Hex({"abc", "d"}).size(), 16u);
  EXPECT_EQ(Hex({"abc", "d"}), Hex({"abc", "d"}));
  EXPECT_NE(Hex({"abc", "d"}), Hex({"ab", "cd"}));
  EXPECT_NE(Hex({"abc", "d"}), Hex({"d", "abc"}));
  EXPECT_NE(Hex({"12345678"}), Hex({"12345679"}));
  EXPECT_NE(Hex({std::string(9, '\0')}), Hex({std::string(10, '\0')}));
  EXPECT_NE(Hex({}), Hex({""}));
}

// Of the data set of a folder or of COCO.
std::string DigestOf(const std::string& dataset, const std::string& root) {
  DatasetSpec spec;
  spec.dataset = dataset;
  ReadOptions options;
  options.data_root = root;
  const absl::StatusOr<DatasetPair> pair = OpenDataset(spec, options);
  EXPECT_TRUE(pair.ok()) << pair.status();
  return pair.ok() ? pair->digest : "";
}

std::string Copy(const std::string& root) {
  const std::string copy = MakeTempDir() + "/copy";
  std::filesystem::copy(root, copy, std::filesystem::copy_options::recursive);
  return copy;
}

TEST(DataDigestTest, OfAFolder) {
  const std::string root = MakeTempDir();
  WriteTestFile(root + "/train/images/a.png", GreyPng(3, 2, 1));
  WriteTestFile(root + "/train/masks/a.png", GreyPng(3, 2, {0, 1, 1, 0, 0, 1}));
  WriteTestFile(root + "/val/images/b.png", GreyPng(3, 2, 2));
  WriteTestFile(root + "/val/masks/b.png", GreyPng(3, 2, {0, 1, 1, 0, 1, 1}));
  const std::string digest = DigestOf("folder", root);
  EXPECT_EQ(digest.size(), 16u);
  EXPECT_EQ(DigestOf("folder", Copy(root)), digest);

  std::string other = Copy(root);  // One pixel of a mask.
  WriteTestFile(other + "/val/masks/b.png", GreyPng(3, 2, {0, 1, 1, 0, 1, 0}));
  EXPECT_NE(DigestOf("folder", other), digest);
  other = Copy(root);  // A name.
  for (const char* kind : {"images", "masks"}) {
    std::filesystem::rename(other + "/train/" + kind + "/a.png",
                            other + "/train/" + kind + "/c.png");
  }
  EXPECT_NE(DigestOf("folder", other), digest);
  other = Copy(root);  // The size of an image's file.
  WriteTestFile(other + "/train/images/a.png", GreyPng(3, 2, 1) + "more");
  EXPECT_NE(DigestOf("folder", other), digest);
}

TEST(DataDigestTest, OfCoco) {
  const std::string root = MakeTempDir();
  for (const std::string split : {"train2017", "val2017"}) {
    WriteTestFile(root + "/annotations/instances_" + split + ".json",
                  R"({"images": [{"id": 1, "file_name": "1.png", "width": 3,
                      "height": 2}], "categories": [{"id": 1, "name": "a"}],
                      "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
                      "segmentation": [[0, 0, 2, 0, 2, 2]]}]})");
    WriteTestFile(root + "/" + split + "/1.png", GreyPng(3, 2, 9));
  }
  const std::string digest = DigestOf("coco", root);
  EXPECT_EQ(DigestOf("coco", Copy(root)), digest);
  std::string other = Copy(root);
  WriteTestFile(other + "/val2017/1.png", GreyPng(3, 2, 9) + "more");
  EXPECT_NE(DigestOf("coco", other), digest);
  other = Copy(root);
  WriteTestFile(other + "/annotations/instances_val2017.json",
                R"({"images": [{"id": 1, "file_name": "1.png", "width": 3,
                    "height": 2}], "categories": [{"id": 1, "name": "a"}],
                    "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
                    "segmentation": [[0, 0, 2, 0, 2, 1]]}]})");
  EXPECT_NE(DigestOf("coco", other), digest);
}

TEST(DataDigestTest, WhatIsComputedOrEmbedded) {
  DatasetSpec spec;
  spec.dataset = "synthetic";
  EXPECT_EQ(OpenDataset(spec, {})->digest, "");
  spec.dataset = "nuclei";
  EXPECT_EQ(OpenDataset(spec, {})->digest.size(), 16u);
}

}  // namespace
}  // namespace cnn_fp4::data
