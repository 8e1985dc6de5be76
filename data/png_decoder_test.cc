#include "data/png_decoder.h"

#include <png.h>

#include <cstdint>
#include <string>
#include <vector>

#include "data/image_io.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using Bytes = std::vector<uint8_t>;
using Values = std::vector<uint16_t>;

Bytes Pixels(const TestPng& png) {
  absl::StatusOr<Image> image =
      DecodePngImage(EncodePng(png), "a.png", kDefaultMaxPixels);
  EXPECT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, png.width);
  EXPECT_EQ(image->height, png.height);
  EXPECT_EQ(image->channels, 3);
  return image->pixels;
}

Values Labels(const TestPng& png) {
  absl::StatusOr<LabelMap> labels =
      DecodePngLabels(EncodePng(png), "a.png", kDefaultMaxPixels);
  EXPECT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(labels->width, png.width);
  EXPECT_EQ(labels->height, png.height);
  return labels->values;
}

TEST(PngImageTest, Grey) {
  TestPng png{3, 1, 8, PNG_COLOR_TYPE_GRAY, false, {0, 7, 255}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{0, 0, 0, 7, 7, 7, 255, 255, 255}));
  png = {3, 1, 1, PNG_COLOR_TYPE_GRAY, false, {1, 0, 1}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255}));
  png = {2, 1, 2, PNG_COLOR_TYPE_GRAY, false, {1, 3}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{85, 85, 85, 255, 255, 255}));
  png = {2, 1, 4, PNG_COLOR_TYPE_GRAY, false, {1, 14}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{17, 17, 17, 238, 238, 238}));
}

TEST(PngImageTest, Of16BitsTheHighByteCounts) {
  TestPng png{3, 1, 16, PNG_COLOR_TYPE_GRAY, false, {0x00ff, 0x1280, 0xffff},
              {}};
  EXPECT_EQ(Pixels(png), (Bytes{0, 0, 0, 0x12, 0x12, 0x12, 255, 255, 255}));
  png = {1, 1, 16, PNG_COLOR_TYPE_RGB, false, {0x0102, 0x7fff, 0xff00}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{0x01, 0x7f, 0xff}));
}

TEST(PngImageTest, ColourAlphaAndPalette) {
  TestPng png{2, 1, 8, PNG_COLOR_TYPE_RGB, false, {1, 2, 3, 4, 5, 6}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{1, 2, 3, 4, 5, 6}));
  png = {1, 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, false, {1, 2, 3, 0, 4, 5, 6, 255},
         {}};
  EXPECT_EQ(Pixels(png), (Bytes{1, 2, 3, 4, 5, 6}));
  png = {1, 1, 16, PNG_COLOR_TYPE_GRAY_ALPHA, false, {0x4321, 0}, {}};
  EXPECT_EQ(Pixels(png), (Bytes{0x43, 0x43, 0x43}));
  png = {3,
         1,
         2,
         PNG_COLOR_TYPE_PALETTE,
         false,
         {2, 0, 1},
         {10, 11, 12, 20, 21, 22, 30, 31, 32}};
  EXPECT_EQ(Pixels(png), (Bytes{30, 31, 32, 10, 11, 12, 20, 21, 22}));
}

TEST(PngImageTest, InterlacedIsTheSame) {
  TestPng png{9, 7, 8, PNG_COLOR_TYPE_RGB, false, {}, {}};
  for (int i = 0; i < 9 * 7 * 3; ++i) png.values.push_back(i * 7 % 256);
  const Bytes plain = Pixels(png);
  png.interlaced = true;
  EXPECT_EQ(Pixels(png), plain);
}

TEST(PngImageTest, APaletteWithTransparencyHasThreeChannelsAllTheSame) {
  const absl::StatusOr<Image> image =
      ReadImage("data/corpus/png/palette_2_transparent.png", kDefaultMaxPixels);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->channels, 3);
  // 6x2; the colours of the indices 0 to 3 are 0 1 2, 3 4 5, 6 7 8, 9 10 11.
  EXPECT_EQ(image->pixels,
            (Bytes{0, 1,  2,  3, 4, 5, 6, 7, 8, 9, 10, 11, 3, 4, 5, 0, 1, 2,
                   9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1,  2,  6, 7, 8, 0, 1, 2}));
}

TEST(PngLabelsTest, ValuesAreThoseOfTheFile) {
  EXPECT_EQ(Labels({3, 1, 8, PNG_COLOR_TYPE_GRAY, false, {0, 7, 255}, {}}),
            (Values{0, 7, 255}));
  EXPECT_EQ(Labels({3, 1, 1, PNG_COLOR_TYPE_GRAY, false, {0, 1, 1}, {}}),
            (Values{0, 1, 1}));
  EXPECT_EQ(Labels({3, 1, 4, PNG_COLOR_TYPE_GRAY, true, {0, 9, 15}, {}}),
            (Values{0, 9, 15}));
  EXPECT_EQ(Labels({2, 1, 16, PNG_COLOR_TYPE_GRAY, false, {0x0102, 65535}, {}}),
            (Values{0x0102, 65535}));
  EXPECT_EQ(
      Labels({2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, false, {5, 0, 6, 9}, {}}),
      (Values{5, 6}));
}

TEST(PngLabelsTest, APaletteGivesItsIndices) {
  const Bytes palette = {0, 0, 0, 128, 0, 0, 0, 128, 0};
  EXPECT_EQ(
      Labels({3, 1, 8, PNG_COLOR_TYPE_PALETTE, false, {2, 0, 1}, palette}),
      (Values{2, 0, 1}));
  EXPECT_EQ(
      Labels({3, 1, 2, PNG_COLOR_TYPE_PALETTE, false, {2, 0, 1}, palette}),
      (Values{2, 0, 1}));
}

TEST(PngLabelsTest, EqualChannelsAreGreyOthersRefused) {
  EXPECT_EQ(
      Labels({2, 1, 8, PNG_COLOR_TYPE_RGB, false, {3, 3, 3, 4, 4, 4}, {}}),
      (Values{3, 4}));
  const std::string colour =
      EncodePng({2, 1, 8, PNG_COLOR_TYPE_RGB, false, {3, 3, 3, 4, 4, 5}, {}});
  const absl::Status status =
      DecodePngLabels(colour, "m.png", kDefaultMaxPixels).status();
  EXPECT_EQ(status.message(),
            "m.png: a colour mask (pixel 1,0 is not grey); store class indices "
            "as a grey or palette PNG");
}

TEST(PngDamageTest, EveryTruncationIsAnError) {
  TestPng png{20, 10, 8, PNG_COLOR_TYPE_GRAY, false, {}, {}};
  for (int i = 0; i < 200; ++i) png.values.push_back(i * 37 % 251);
  const std::string whole = EncodePng(png);
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto part = whole.substr(0, size);
    const absl::Status status =
        DecodePngImage(part, "a.png", kDefaultMaxPixels).status();
    EXPECT_FALSE(status.ok()) << size;
    EXPECT_EQ(status.message().substr(0, 7), "a.png: ");
    EXPECT_FALSE(DecodePngLabels(part, "a.png", kDefaultMaxPixels).ok());
  }
  EXPECT_EQ(DecodePngImage(whole.substr(0, 60), "a.png", kDefaultMaxPixels)
                .status()
                .message(),
            "a.png: damaged PNG (the file ends too early); copy or download "
            "the file again");
}

TEST(PngDamageTest, AFlippedByteIsAnErrorOrHarmless) {
  TestPng png{20, 10, 8, PNG_COLOR_TYPE_GRAY, false, {}, {}};
  for (int i = 0; i < 200; ++i) png.values.push_back(i * 37 % 251);
  const std::string whole = EncodePng(png);
  int errors = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 0x55;
    errors += !DecodePngImage(damaged, "a.png", kDefaultMaxPixels).ok();
  }
  // All but the checksum of the end chunk, if libpng lets that pass.
  EXPECT_GE(errors, static_cast<int>(whole.size()) - 8);
}

TEST(PngDamageTest, ABombIsRefusedByItsHeader) {
  const std::string bomb = PngThatDeclares(50'000, 50'000);
  const std::string expected =
      "b.png: declares 50000x50000 pixels, more than the limit of 100000000; "
      "resize it or raise --max_pixels";
  EXPECT_EQ(DecodePngImage(bomb, "b.png", kDefaultMaxPixels).status().message(),
            expected);
  EXPECT_EQ(
      DecodePngLabels(bomb, "b.png", kDefaultMaxPixels).status().message(),
      expected);
  EXPECT_EQ(PngSize(bomb, "b.png", kDefaultMaxPixels).status().message(),
            expected);
  // The product does not overflow.
  EXPECT_FALSE(PngSize(PngThatDeclares(0x7fffffff, 0x7fffffff), "b.png",
                       kDefaultMaxPixels)
                   .ok());
  absl::StatusOr<ImageSize> size =
      PngSize(PngThatDeclares(10'000, 10'000), "b.png", kDefaultMaxPixels);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(size->width, 10'000);
}

TEST(ImageIoTest, TheContentDecidesNotTheName) {
  const std::string dir = MakeTempDir();
  WriteTestFile(dir + "/png.jpg", GreyPng(2, 3, 9));
  absl::StatusOr<Image> image = ReadImage(dir + "/png.jpg", kDefaultMaxPixels);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->height, 3);
  EXPECT_EQ(image->pixels[0], 9);

  WriteTestFile(dir + "/text.png", "hello");
  EXPECT_EQ(ReadImage(dir + "/text.png", kDefaultMaxPixels).status().message(),
            dir +
                "/text.png: neither PNG nor JPEG, whatever its name says (5 "
                "bytes); convert it to one of them");
  WriteTestFile(dir + "/empty.png", "");
  EXPECT_FALSE(ReadImage(dir + "/empty.png", kDefaultMaxPixels).ok());
  EXPECT_FALSE(ReadLabels(dir + "/empty.png", kDefaultMaxPixels).ok());
  EXPECT_EQ(ReadImage(dir + "/no.png", kDefaultMaxPixels).status().message(),
            dir +
                "/no.png: cannot open this file; check the path and its "
                "permissions");
  EXPECT_EQ(ReadImage(dir, kDefaultMaxPixels).status().message(),
            dir + ": is a directory, expected a file");
}

}  // namespace
}  // namespace cnn_fp4::data
