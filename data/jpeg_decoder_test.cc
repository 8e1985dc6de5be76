#include "data/jpeg_decoder.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/file_io.h"
#include "data/image_io.h"
#include "data/test_images.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// Of quality 100 on smooth content: rounding of the colour transform.
constexpr int kTolerance = 3;

std::vector<uint8_t> Ramp(int width, int height, int components) {
  std::vector<uint8_t> values;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < components; ++c) {
        values.push_back(static_cast<uint8_t>(2 * x + y + 40 * c));
      }
    }
  }
  return values;
}

TEST(JpegTest, Rgb) {
  const std::vector<uint8_t> expected = Ramp(32, 24, 3);
  absl::StatusOr<Image> image =
      DecodeJpeg(EncodeJpeg(32, 24, 3, expected), "a.jpg", kDefaultMaxPixels);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 32);
  EXPECT_EQ(image->height, 24);
  EXPECT_EQ(image->channels, 3);
  ASSERT_EQ(image->pixels.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_LE(std::abs(image->pixels[i] - expected[i]), kTolerance) << i;
  }
}

TEST(JpegTest, GreyIsRepeated) {
  const std::vector<uint8_t> expected = Ramp(17, 9, 1);
  absl::StatusOr<Image> image =
      DecodeJpeg(EncodeJpeg(17, 9, 1, expected), "a.jpg", kDefaultMaxPixels);
  ASSERT_TRUE(image.ok()) << image.status();
  ASSERT_EQ(image->pixels.size(), 3 * expected.size());
  for (size_t i = 0; i < image->pixels.size(); ++i) {
    ASSERT_LE(std::abs(image->pixels[i] - expected[i / 3]), kTolerance) << i;
  }
}

TEST(JpegTest, CmykIsRefused) {
  const std::string bytes = EncodeJpeg(8, 8, 4, Ramp(8, 8, 4));
  EXPECT_EQ(DecodeJpeg(bytes, "a.jpg", kDefaultMaxPixels).status().message(),
            "a.jpg: a CMYK JPEG, whose colours depend on a printer profile; "
            "convert it to RGB");
}

TEST(JpegTest, EveryTruncationIsAnError) {
  const std::string whole = EncodeJpeg(64, 48, 3, Ramp(64, 48, 3));
  // The last two bytes are the end marker; what precedes it is complete.
  for (size_t size = 0; size < whole.size() - 2; ++size) {
    const absl::Status status =
        DecodeJpeg(whole.substr(0, size), "a.jpg", kDefaultMaxPixels).status();
    ASSERT_FALSE(status.ok()) << size << " of " << whole.size();
    EXPECT_EQ(status.message().substr(0, 7), "a.jpg: ");
  }
  EXPECT_EQ(
      DecodeJpeg(whole.substr(0, whole.size() / 2), "a.jpg", kDefaultMaxPixels)
          .status()
          .message(),
      "a.jpg: damaged JPEG (Premature end of JPEG file); copy or download the "
      "file again");
}

TEST(JpegTest, AFlippedByteNeverCrashes) {
  const std::string whole = EncodeJpeg(24, 16, 3, Ramp(24, 16, 3));
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 0xff;
    const auto image = DecodeJpeg(damaged, "a.jpg", 1'000'000);
    if (!image.ok()) {
      EXPECT_EQ(image.status().message().substr(0, 7), "a.jpg: ");
    }
  }
}

TEST(JpegTest, ABombIsRefusedByItsHeader) {
  std::string bytes = EncodeJpeg(8, 8, 1, Ramp(8, 8, 1));
  const size_t frame = bytes.find("\xff\xc0");  // Then length, bits, h, w.
  ASSERT_NE(frame, std::string::npos);
  bytes.replace(frame + 5, 4, "\xfd\xe8\xfd\xe8");
  EXPECT_EQ(DecodeJpeg(bytes, "b.jpg", kDefaultMaxPixels).status().message(),
            "b.jpg: declares 65000x65000 pixels, more than the limit of "
            "100000000; resize it or raise --max_pixels");
}

TEST(JpegTest, ThousandsOfScansAreRefused) {
  const std::string corpus = "data/corpus/jpeg/";
  const auto decode = [&](const std::string& name) {
    const absl::StatusOr<std::string> bytes = ReadFileBytes(corpus + name);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return DecodeJpeg(*bytes, name, kDefaultMaxPixels).status();
  };
  EXPECT_TRUE(decode("progressive.jpg").ok()) << decode("progressive.jpg");
  // The same with its first scan 200 times more.
  EXPECT_EQ(std::string(decode("many_scans.jpg").message()),
            "many_scans.jpg: damaged JPEG (more than 100 scans); copy or "
            "download the file again");
}

TEST(ImageIoTest, JpegBehindAnyName) {
  const std::string dir = MakeTempDir();
  WriteTestFile(dir + "/a.png", EncodeJpeg(10, 6, 3, Ramp(10, 6, 3)));
  absl::StatusOr<Image> image = ReadImage(dir + "/a.png", kDefaultMaxPixels);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 10);
  absl::StatusOr<ImageSize> size =
      ReadImageSize(dir + "/a.png", kDefaultMaxPixels);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(size->height, 6);
  EXPECT_EQ(ReadLabels(dir + "/a.png", kDefaultMaxPixels).status().message(),
            dir +
                "/a.png: a JPEG mask, whose compression alters class "
                "indices; store masks as PNG");
}

}  // namespace
}  // namespace cnn_fp4::data
