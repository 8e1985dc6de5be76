#include "data/exif.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/dataset_registry.h"
#include "data/image_io.h"
#include "data/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Bytes(uint32_t value, int size, bool big_endian) {
  std::string bytes;
  for (int i = 0; i < size; ++i) {
    const int shift = 8 * (big_endian ? size - 1 - i : i);
    bytes += static_cast<char>(value >> shift & 255);
  }
  return bytes;
}

// A header and a directory with another tag and the orientation.
std::string Tiff(int orientation, bool big_endian) {
  const auto number = [&](uint32_t value, int size) {
    return Bytes(value, size, big_endian);
  };
  return absl::StrCat(big_endian ? "MM" : "II", number(42, 2), number(8, 4),
                      number(2, 2), number(0x010f, 2), number(2, 2),
                      number(4, 4), "abc", std::string(1, '\0'),
                      number(0x0112, 2), number(3, 2), number(1, 4),
                      number(orientation, 2), number(0, 2), number(0, 4));
}

// Puts the segment behind the first marker, in front of libjpeg's JFIF.
std::string JpegWithExif(std::string jpeg, const std::string& tiff) {
  const std::string exif = absl::StrCat(absl::string_view("Exif\0\0", 6), tiff);
  return jpeg.insert(
      2, absl::StrCat("\xff\xe1", Bytes(exif.size() + 2, 2, true), exif));
}

// Behind the header. Its checksum is wrong, which is no error in such a chunk.
std::string PngWithExif(std::string png, const std::string& tiff) {
  return png.insert(33, absl::StrCat(Bytes(tiff.size(), 4, true), "eXIf", tiff,
                                     std::string(4, '\0')));
}

// abc
// def   as the eight orientations show it, rows in turn.
constexpr const char* kShown[] = {"abcdef", "cbafed", "fedcba", "defabc",
                                  "adbecf", "daebfc", "fcebda", "cfbead"};

std::vector<uint16_t> Letters() { return {'a', 'b', 'c', 'd', 'e', 'f'}; }

TEST(ExifTest, TurnsInEightWays) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    std::vector<uint16_t> values = Letters();
    Turn(orientation, {3, 2}, 1, &values);
    EXPECT_EQ(std::string(values.begin(), values.end()),
              kShown[orientation - 1]);
    const ImageSize size = Turned({3, 2}, orientation);
    EXPECT_EQ(size.width, orientation < 5 ? 3 : 2);
    EXPECT_EQ(size.height, orientation < 5 ? 2 : 3);
  }
  Image image;
  image.width = 2;
  image.height = 1;
  image.channels = 3;
  image.pixels = {1, 2, 3, 4, 5, 6};
  image.orientation = 8;
  Turn(&image);
  EXPECT_EQ(image.height, 2);
  EXPECT_THAT(image.pixels, ElementsAre(4, 5, 6, 1, 2, 3));
}

TEST(ExifTest, ReadsJpegAndPng) {
  const std::string jpeg = EncodeJpeg(1, 1, 1, {0});
  const std::string png = GreyPng(1, 1, 0);
  EXPECT_EQ(StoredOrientation(jpeg), 1);
  EXPECT_EQ(StoredOrientation(png), 1);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big_endian : {false, true}) {
      const std::string tiff = Tiff(orientation, big_endian);
      EXPECT_EQ(StoredOrientation(JpegWithExif(jpeg, tiff)), orientation);
      EXPECT_EQ(StoredOrientation(PngWithExif(png, tiff)), orientation);
    }
  }
  EXPECT_EQ(StoredOrientation(JpegWithExif(jpeg, Tiff(0, true))), 1);
  EXPECT_EQ(StoredOrientation(JpegWithExif(jpeg, Tiff(9, true))), 1);
}

TEST(ExifTest, DamagedDataAreNoOrientation) {
  const std::string jpeg =
      JpegWithExif(EncodeJpeg(1, 1, 1, {0}), Tiff(6, true));
  const std::string png = PngWithExif(GreyPng(1, 1, 0), Tiff(6, false));
  for (const std::string& whole : {jpeg, png}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] ^= 0xff;
      for (const auto& bytes : {damaged, whole.substr(0, i)}) {
        const int orientation = StoredOrientation(bytes);
        EXPECT_TRUE(orientation >= 1 && orientation <= 8) << i;
      }
    }
  }
  EXPECT_EQ(StoredOrientation(jpeg.substr(0, 20)), 1);
}

class ExifFilesTest : public ::testing::Test {
 protected:
  ExifFilesTest() : root_(MakeTempDir()) {
    options_.data_root = root_;
    for (const std::string split : {"train", "val"}) {
      WriteTestFile(root_ + "/" + split + "/images/a.png",
                    GreyPng(3, 2, split[0]));
      WriteTestFile(root_ + "/" + split + "/masks/a.png",
                    GreyPng(3, 2, {0, 1, 0, 0, 0, 1}));
    }
  }

  const std::string root_;
  ReadOptions options_;
};

TEST_F(ExifFilesTest, ImagesAndMasksAlike) {
  DatasetSpec spec;
  spec.dataset = "folder";
  const std::string image = root_ + "/train/images/a.png";
  const std::string mask = root_ + "/train/masks/a.png";
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string tiff = Tiff(orientation, orientation % 2 == 0);
    WriteTestFile(image, PngWithExif(GreyPng(3, 2, Letters()), tiff));
    WriteTestFile(mask, PngWithExif(GreyPng(3, 2, {0, 1, 0, 0, 0, 1}), tiff));
    absl::StatusOr<DatasetPair> pair = OpenDataset(spec, options_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    EXPECT_THAT(pair->warnings, ElementsAre());
    const absl::StatusOr<Sample> sample = pair->train->Get(0);
    ASSERT_TRUE(sample.ok()) << sample.status();
    EXPECT_EQ(sample->image.width, orientation < 5 ? 3 : 2);
    for (int i = 0; i < 6; ++i) {
      const char letter = kShown[orientation - 1][i];
      EXPECT_EQ(sample->image.pixels[3 * i], letter) << orientation;
      EXPECT_EQ(sample->mask[i], letter == 'b' || letter == 'f' ? 1 : 0);
    }
    const std::string said = "1 images and 1 masks turned by their EXIF";
    EXPECT_EQ(pair->train->Describe().find(said) != std::string::npos,
              orientation > 1);
  }
}

TEST_F(ExifFilesTest, AMaskThatWasMadeWithoutIsNamed) {
  DatasetSpec spec;
  spec.dataset = "folder";
  const std::vector<uint8_t> grey(6, 9);
  WriteTestFile(root_ + "/train/images/a.png",
                JpegWithExif(EncodeJpeg(3, 2, 1, grey), Tiff(6, true)));
  EXPECT_THAT(OpenDataset(spec, options_).status().message(),
              HasSubstr("/train/images/a.png is 2x3 (turned by its EXIF "
                        "orientation 6)"));
  WriteTestFile(root_ + "/train/images/a.png",
                JpegWithExif(EncodeJpeg(3, 2, 1, grey), Tiff(3, true)));
  EXPECT_THAT(OpenDataset(spec, options_)->warnings,
              ElementsAre(HasSubstr("masks that may lie wrong, since EXIF "
                                    "turns the image and not the mask: 1 (" +
                                    root_ + "/train/masks/a.png)")));
}

TEST_F(ExifFilesTest, TheSizeInCocoJsonDecides) {
  DatasetSpec spec;
  spec.dataset = "coco";
  const auto open = [&](int width, int height, int orientation) {
    for (const std::string split : {"train2017", "val2017"}) {
      WriteTestFile(
          root_ + "/annotations/instances_" + split + ".json",
          absl::StrCat(R"({"images": [{"id": 1, "file_name": "a",
 "width": )",
                       width, ", \"height\": ", height, R"(}],
"categories": [{"id": 1, "name": "cup"}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 1,
 "segmentation": {"size": [)",
                       height, ", ", width, R"(], "counts": [0, 6]}}]})"));
      WriteTestFile(
          root_ + "/" + split + "/a",
          PngWithExif(GreyPng(3, 2, Letters()), Tiff(orientation, true)));
    }
    absl::StatusOr<DatasetPair> pair = OpenDataset(spec, options_);
    if (!pair.ok()) return std::string(pair.status().message());
    const absl::StatusOr<Sample> sample = pair->train->Get(0);
    if (!sample.ok()) return std::string(sample.status().message());
    std::string shown;
    for (int i = 0; i < 6; ++i) shown += sample->image.pixels[3 * i];
    const std::string said =
        ", 1 image turned by EXIF orientation to the annotated size";
    EXPECT_EQ(absl::EndsWith(pair->val->Describe(), said), shown != kShown[0])
        << pair->val->Describe();
    return shown;
  };
  EXPECT_EQ(open(2, 3, 6), kShown[5]);
  EXPECT_EQ(open(3, 2, 6), kShown[0]);
  EXPECT_EQ(open(3, 2, 3), kShown[2]);
  EXPECT_THAT(open(6, 1, 3), HasSubstr("is 3x2 but its annotations say 6x1"));
}

}  // namespace
}  // namespace cnn_fp4::data
