// What plausible but bad COCO data are refused for, or warned of.

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/dataset_registry.h"
#include "data/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kInstances[] = R"({
"annotations": [
 {"id": 1, "image_id": 5, "category_id": 3, "iscrowd": 0,
  "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]},
 {"id": 2, "image_id": 6, "category_id": 4,
  "segmentation": {"size": [4, 6], "counts": [12, 12]}}
],
"images": [
 {"id": 5, "file_name": "5.png", "width": 6, "height": 4},
 {"id": 6, "file_name": "6.png", "width": 6, "height": 4}
],
"categories": [{"id": 3, "name": "person"}, {"id": 4, "name": "cup"}]
})";

class CocoChecksTest : public ::testing::Test {
 protected:
  CocoChecksTest() : root_(MakeTempDir()) {
    spec_.dataset = "coco";
    options_.data_root = root_;
    for (const char* split : {"train2017", "val2017"}) {
      Write(split, {});
      for (const char* name : {"5.png", "6.png"}) {
        WriteTestFile(absl::StrCat(root_, "/", split, "/", name),
                      GreyPng(6, 4, static_cast<uint16_t>(split[0] + name[0])));
      }
    }
  }

  using Changes = std::vector<std::pair<std::string, std::string>>;

  // The annotations of a split, with each first text replaced by its second.
  void Write(const std::string& split, const Changes& changes) {
    std::string json = kInstances;
    for (const auto& [from, to] : changes) {
      ASSERT_THAT(json, HasSubstr(from));
      json = absl::StrReplaceAll(json, {{from, to}});
    }
    WriteTestFile(Json(split), json);
  }

  std::string Json(const std::string& split) {
    return absl::StrCat(root_, "/annotations/instances_", split, ".json");
  }

  std::string Error() {
    return std::string(OpenDataset(spec_, options_).status().message());
  }

  // The error with these changes to the training annotations.
  std::string Error(const std::string& from, const std::string& to) {
    Write("train2017", {{from, to}});
    return Error();
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

TEST_F(CocoChecksTest, GoodDataAreNotWarnedOf) {
  EXPECT_THAT(Warnings(), IsEmpty());
  options_.strict = true;
  EXPECT_THAT(Warnings(), IsEmpty());
}

TEST_F(CocoChecksTest, IdsAndNamesThatAreThereTwice) {
  EXPECT_EQ(
      Error("\"id\": 4, \"name\": \"cup\"", "\"id\": 3, \"name\": \"cup\""),
      Json("train2017") +
          ": categories element with the id 3: \"person\" and \"cup\" "
          "have this id; correct or remove it");
  EXPECT_EQ(Error("\"name\": \"cup\"", "\"name\": \"person\""),
            Json("train2017") +
                ": categories element with the id 4: the id 3 has the name "
                "\"person\", too; correct or remove it");
  EXPECT_THAT(Error("\"id\": 2,", "\"id\": 1,"),
              HasSubstr(": annotations element with the id 1: there is another "
                        "with this id"));
  EXPECT_THAT(Error("\"id\": 6,", "\"id\": 5,"),
              HasSubstr(": images element with the id 5: there is another with "
                        "this id"));
}

TEST_F(CocoChecksTest, KeysThatAreThereTwice) {
  EXPECT_EQ(Error("\"categories\"", "\"images\": [], \"categories\""),
            Json("train2017") +
                ": the file has the key \"images\" twice; remove one of them");
  EXPECT_EQ(Error("\"id\": 2,", "\"id\": 2, \"id\": 3,"),
            Json("train2017") +
                ": element 2 of \"annotations\" has the key \"id\" twice; "
                "remove one of them");
}

TEST_F(CocoChecksTest, ValuesOfAWrongType) {
  EXPECT_EQ(Error("\"images\": [", "\"images\": [null, "),
            Json("train2017") +
                ": element 1 of \"images\" is null, not an object; correct or "
                "remove it");
  EXPECT_THAT(Error("\"id\": 1,", "\"id\": 18446744073709551615,"),
              HasSubstr("element with the id 18446744073709551615: \"id\" is "
                        "missing or no integer"));
  EXPECT_THAT(Error("\"id\": 1,", ""),
              HasSubstr("annotations element with the id (missing, number 1)"));
  EXPECT_THAT(Error("\"name\": \"cup\"", "\"name\": \"\""),
              HasSubstr("\"name\" is empty"));
  EXPECT_THAT(Error("\"6.png\"", "\"6.png\\u0000.jpg\""),
              HasSubstr("\"file_name\" is \"6.png\\u0000.jpg\", with a control "
                        "character"));
}

TEST_F(CocoChecksTest, DeepNestingIsNamedInFewWords) {
  const std::string deep(100000, '[');
  for (const char* from : {"\"id\": 1,", "\"id\": 3,", "\"id\": 5,"}) {
    const std::string error = Error(
        from, absl::StrCat("\"id\": ", deep, std::string(100000, ']'), ","));
    EXPECT_THAT(error, HasSubstr("more than 64 deep"));
    EXPECT_LT(error.size(), 400u);
  }
  EXPECT_THAT(Error("[12, 12]", "[12, [[12]]]"),
              HasSubstr("\"counts\" has the run length a list"));
}

TEST_F(CocoChecksTest, RunLengthsAreOfTheSizeOfTheImage) {
  EXPECT_THAT(Error("[4, 6]", "[6, 4]"),
              HasSubstr("id 2: its run lengths are of 4x6 pixels, its image "
                        "has 6x4"));
  for (const char* size : {"[4]", "4", "[4, -6]", "[4, 6.0]", "[4, 1e10]"}) {
    EXPECT_THAT(Error("[4, 6]", size),
                HasSubstr("\"size\" is not the height and the width"))
        << size;
  }
  EXPECT_THAT(Error("\"size\": [4, 6], ", ""), HasSubstr("\"size\" is not"));
}

TEST_F(CocoChecksTest, APolygonThatOutlinesNothing) {
  std::string zigzag = "[[";
  for (int i = 0; i < 20000; ++i) {
    absl::StrAppend(&zigzag, i == 0 ? "" : ", ", i % 2 == 0 ? "0, " : "1e6, ",
                    i % 4);
  }
  EXPECT_THAT(Error("[[1, 1, 3, 1, 3, 3, 1, 3]]", zigzag + "]]"),
              HasSubstr("id 1: a polygon crosses the columns of its image of "
                        "6x4 pixels 120000 times"));
}

TEST_F(CocoChecksTest, ATrainingSplitWithoutAnnotations) {
  const std::string nothing =
      "coco " + root_ +
      ", train2017: no annotation of a class, so there is nothing to learn; "
      "add images of the other classes, or correct the annotations";
  Write("train2017", {{"\"iscrowd\": 0", "\"iscrowd\": 1"},
                      {"\"category_id\": 4,",
                       "\"category_id\": 4, "
                       "\"iscrowd\": 1,"}});
  EXPECT_EQ(Error(), nothing);
  const std::string all = kInstances;
  const size_t end = all.find("],\n\"images\"");
  WriteTestFile(Json("train2017"), "{\"annotations\": [" + all.substr(end));
  EXPECT_EQ(Error(), nothing);
  Write("train2017", {{"\"category_id\": 4", "\"category_id\": 3"}});
  spec_.class_names = {"cup"};
  EXPECT_EQ(Error(), nothing);
}

TEST_F(CocoChecksTest, ImagesThatNoEntryLists) {
  for (const char* name : {"7.png", "8.jpg"}) {
    WriteTestFile(absl::StrCat(root_, "/val2017/", name), "not looked at");
  }
  WriteTestFile(root_ + "/val2017/README", "not an image");
  EXPECT_THAT(
      Warnings(),
      ElementsAre(root_ + "/val2017: images that the annotations do not list: "
                          "2 (7.png, 8.jpg)"));
}

TEST_F(CocoChecksTest, WarningsAreErrorsUnderStrict) {
  Write("val2017", {{"\"category_id\": 4", "\"category_id\": 3"}});
  const std::string lacks = "coco " + root_ +
                            ", val2017: no annotation of cup, which train has "
                            "and no score can tell of";
  EXPECT_THAT(Warnings(), ElementsAre(lacks));
  options_.strict = true;
  EXPECT_EQ(Error(), lacks + "; --strict takes warnings for errors");
  std::filesystem::copy_file(root_ + "/train2017/5.png",
                             root_ + "/val2017/6.png",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(Error(), lacks +
                         " (and 1 more warning); --strict takes warnings for "
                         "errors");
  options_.strict = false;
  EXPECT_THAT(Warnings(),
              ElementsAre(lacks, HasSubstr("of val are training images")));
}

}  // namespace
}  // namespace cnn_fp4::data
