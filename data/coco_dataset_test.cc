#include "data/coco_dataset.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/coco_json.h"
#include "data/dataset_registry.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// 6x4 pixels. A table (id 67) over all but the right column, a cup (47) on it,
// and a crowd of cups over the right half.
constexpr char kInstances[] = R"({
"annotations": [
 {"id": 1, "image_id": 5, "category_id": 47, "iscrowd": 0,
  "segmentation": [[1, 1, 2, 1, 2, 3, 1, 3]]},
 {"id": 2, "image_id": 5, "category_id": 67, "iscrowd": 0,
  "segmentation": [[0, 0, 3, 0, 3, 4, 0, 4], [3, 0, 5, 0, 5, 4, 3, 4]]},
 {"id": 3, "image_id": 5, "category_id": 47, "iscrowd": 1,
  "segmentation": {"size": [4, 6], "counts": [12, 12]}}
],
"images": [
 {"id": 5, "file_name": "5.png", "width": 6, "height": 4},
 {"id": 6, "file_name": "6.png", "width": 3, "height": 3}
],
"categories": [{"id": 67, "name": "table"}, {"id": 47, "name": "cup"}],
"info": {"deep": [{"id": "not an annotation"}]}
})";

class CocoTest : public ::testing::Test {
 protected:
  CocoTest() : root_(MakeTempDir()) {
    Write("train2017", kInstances);
    Write("val2017", kInstances);
  }

  std::string Json(const std::string& split) {
    return absl::StrCat(root_, "/annotations/instances_", split, ".json");
  }

  void Write(const std::string& split, const std::string& json) {
    WriteTestFile(Json(split), json);
    WriteTestFile(root_ + "/" + split + "/5.png", GreyPng(6, 4, 10));
    WriteTestFile(root_ + "/" + split + "/6.png", GreyPng(3, 3, 20));
  }

  absl::StatusOr<DatasetPair> Open(std::vector<std::string> names = {}) {
    DatasetSpec spec;
    spec.dataset = "coco";
    spec.class_names = std::move(names);
    ReadOptions options;
    options.data_root = root_;
    return OpenDataset(spec, options);
  }

  // The message when `from` in the JSON reads `to`, without the path.
  std::string ErrorOf(const std::string& from, const std::string& to) {
    const std::string json = absl::StrReplaceAll(kInstances, {{from, to}});
    EXPECT_NE(json, kInstances) << from;
    Write("train2017", json);
    std::string message(Open().status().message());
    EXPECT_EQ(message.rfind(Json("train2017") + ": ", 0), 0u) << message;
    return message.substr(Json("train2017").size() + 2);
  }

  const std::string root_;
};

// One digit a pixel, x for kIgnore.
std::string Draw(const Sample& sample) {
  std::string text;
  for (size_t i = 0; i < sample.mask.size(); ++i) {
    if (i > 0 && i % sample.image.width == 0) text += ' ';
    text += sample.mask[i] == kIgnore ? 'x' : char('0' + sample.mask[i]);
  }
  return text;
}

TEST_F(CocoTest, SmallerOnTopAndCrowdsBelow) {
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->train->class_names(),
            (std::vector<std::string>{"background", "cup", "table"}));
  EXPECT_EQ(Draw(*pair->train->Get(0)), "22222x 21222x 21222x 22222x");
  EXPECT_EQ(Draw(*pair->train->Get(1)), "000 000 000");
  EXPECT_EQ(pair->train->Get(1)->image.pixels[0], 20);
  EXPECT_EQ(pair->train->Describe(),
            "coco " + root_ +
                ", train2017: 2 images, 3x3 to 6x4, 3 classes (background, "
                "cup 1 annotation, table 1 annotation), 1 annotation of crowds "
                "ignored");
}

TEST_F(CocoTest, ClassNamesSelectAndOrder) {
  EXPECT_EQ(Draw(*Open({"table"})->val->Get(0)), "111110 111110 111110 111110");
  EXPECT_EQ(Draw(*Open({"table", "cup"})->val->Get(0)),
            "11111x 12111x 12111x 11111x");
  EXPECT_EQ(Open({"fork"}).status().message(),
            "--class_names: " + root_ +
                " has no category \"fork\"; leave the flag out to see all");
  EXPECT_EQ(Open({"cup", "cup"}).status().message(),
            "class_names has 'cup' twice");
}

TEST_F(CocoTest, CompressedRunLengths) {
  // 12, 12 in COCO's string form.
  EXPECT_NE(ErrorOf("[12, 12]", "\"<;\"").find("add up to 23"),
            std::string::npos);
  Write("train2017", absl::StrReplaceAll(kInstances, {{"[12, 12]", "\"<<\""}}));
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(Draw(*pair->train->Get(0)), "22222x 21222x 21222x 22222x");
}

TEST_F(CocoTest, PolygonsAreClippedButNotWhollyOutside) {
  Write("train2017",
        absl::StrReplaceAll(kInstances, {{"[1, 1, 2, 1, 2, 3, 1, 3]",
                                          "[-9, 3, 2, 3, 2, 99, -9, 99]"}}));
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(Draw(*pair->train->Get(0)), "22222x 22222x 22222x 11222x");
  EXPECT_EQ(
      ErrorOf("[1, 1, 2, 1, 2, 3, 1, 3]", "[7, 1, 9, 1, 9, 3]"),
      "annotations element with the id 1: it lies wholly outside its image of "
      "6x4 pixels; correct or remove it");
}

TEST_F(CocoTest, BadAnnotationsAreNamed) {
  const std::string first = "annotations element with the id 1: ";
  const std::string remedy = "; correct or remove it";
  EXPECT_EQ(ErrorOf("\"category_id\": 47, \"iscrowd\": 0",
                    "\"category_id\": 48, \"iscrowd\": 0"),
            first + "there is no category with the id 48" + remedy);
  EXPECT_EQ(ErrorOf("\"id\": 1, \"image_id\": 5", "\"id\": 1, \"image_id\": 7"),
            first + "there is no image with the id 7" + remedy);
  EXPECT_EQ(ErrorOf("[1, 1, 2, 1, 2, 3, 1, 3]", "[1, 1, 2, 1, 2]"),
            first + "a polygon is no list of at least 3 x, y pairs" + remedy);
  EXPECT_EQ(ErrorOf("[1, 1, 2, 1, 2, 3, 1, 3]", "[1, 1, 2, 1, 2, 1e9]"),
            first + "a polygon has the coordinate 1000000000.0" + remedy);
  EXPECT_EQ(ErrorOf("[[1, 1, 2, 1, 2, 3, 1, 3]]", "[]"),
            first +
                "\"segmentation\" is empty (a box only); only masks can be "
                "used" +
                remedy);
  EXPECT_EQ(
      ErrorOf("[[1, 1, 2, 1, 2, 3, 1, 3]]", "3"),
      first + "\"segmentation\" is neither polygons nor run lengths" + remedy);
  EXPECT_EQ(ErrorOf("[12, 12]", "[12, 13]"),
            "annotations element with the id 3: run lengths add up to 25 "
            "pixels, not to 6x4" +
                remedy);
  EXPECT_EQ(ErrorOf("[12, 12]", "[12, -12]"),
            "annotations element with the id 3: \"counts\" has the run length "
            "-12" +
                remedy);
  EXPECT_EQ(ErrorOf("[12, 12]", "\"~\""),
            "annotations element with the id 3: compressed run lengths: "
            "character 0 is none of '0' to 'o'" +
                remedy);
  EXPECT_EQ(
      ErrorOf("\"id\": 6,", "\"id\": 5,"),
      "images element with the id 5: there is another with this id" + remedy);
  EXPECT_EQ(ErrorOf("\"width\": 6", "\"width\": 600000000"),
            "images element with the id 5: its size 600000000x4 is not between "
            "1 pixel and the limit of 100000000" +
                remedy);
  EXPECT_EQ(ErrorOf("\"file_name\": \"5.png\"", "\"file_name\": 5"),
            "images element with the id 5: \"file_name\" is missing or no "
            "string" +
                remedy);
}

TEST_F(CocoTest, BadFilesAreNamed) {
  EXPECT_EQ(ErrorOf("\"images\": [", "\"images\": [,"),
            absl::StrCat("no valid JSON at byte ",
                         std::string(kInstances).find("\"images\": [") + 12,
                         "; copy or download the file again"));
  EXPECT_EQ(ErrorOf("\"images\"", "\"pictures\""),
            "has no list \"images\"; it must be a COCO instances file");
  Write("train2017", "[]");
  EXPECT_EQ(Open().status().message(),
            Json("train2017") +
                ": has no list \"images\"; it must be a COCO instances file");
  Write("train2017", R"({"images": [], "annotations": [], "categories": []})");
  EXPECT_EQ(
      Open().status().message(),
      Json("train2017") + ": empty split, \"images\" is empty; add images");
  Write("train2017", "");
  EXPECT_NE(Open().status().message().find("no valid JSON at byte"),
            std::string::npos);
  std::filesystem::remove(Json("train2017"));
  EXPECT_EQ(Open().status().message(),
            Json("train2017") +
                ": no such file; check --data_root and the split "
                "(annotations/instances_<split>.json)");
}

TEST_F(CocoTest, ImagesMustBeThereAndOfTheirSize) {
  WriteTestFile(root_ + "/train2017/5.png", GreyPng(4, 6, 1));
  const std::string wrong_size = root_ +
                                 "/train2017/5.png: is 4x6 but its annotations "
                                 "say 6x4; use the original image";
  EXPECT_EQ(Open().status().message(), wrong_size);
  // An image that is replaced later.
  WriteTestFile(root_ + "/train2017/5.png", GreyPng(6, 4, 1));
  absl::StatusOr<DatasetPair> pair = Open();
  ASSERT_TRUE(pair.ok()) << pair.status();
  WriteTestFile(root_ + "/train2017/5.png", GreyPng(4, 6, 1));
  EXPECT_EQ(pair->train->Get(0).status().message(), wrong_size);
  WriteTestFile(root_ + "/train2017/5.png", GreyPng(6, 4, 1));
  std::filesystem::remove(root_ + "/val2017/6.png");
  EXPECT_EQ(Open().status().message(),
            root_ + "/val2017/6.png: no such file, though " + Json("val2017") +
                " lists it; add the image or remove the entry");
  std::filesystem::remove_all(root_ + "/val2017");
  EXPECT_NE(Open().status().message().find("/val2017: no such directory"),
            std::string::npos);
}

TEST_F(CocoTest, SplitsMustAgreeOnTheCategories) {
  Write("val2017", absl::StrReplaceAll(kInstances, {{"table", "desk"}}));
  EXPECT_EQ(Open().status().message(),
            root_ +
                ": instances_train2017.json and instances_val2017.json "
                "have different categories; give both the same list");
}

}  // namespace
}  // namespace cnn_fp4::data
