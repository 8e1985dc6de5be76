#include "viz/png_file.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "viz/test_png.h"

namespace cnn_fp4::viz {
namespace {

using ::testing::ElementsAre;

TEST(WritePngFile, KeepsEveryValue) {
  const std::string path = ::testing::TempDir() + "/made/grey.png";
  std::vector<uint8_t> grey(256);
  for (int i = 0; i < 256; ++i) grey[i] = static_cast<uint8_t>(i);
  ASSERT_TRUE(WritePngFile(path, 32, 8, 1, grey).ok());
  const TestPng back = DecodePng(path);
  EXPECT_EQ(back.width, 32);
  EXPECT_EQ(back.height, 8);
  ASSERT_EQ(back.rgb.size(), 3 * 256u);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(back.rgb[3 * i], i);
}

TEST(WritePngFile, ColoursAreRgb) {
  const std::string path = ::testing::TempDir() + "/colours.png";
  ASSERT_TRUE(WritePngFile(path, 2, 1, 3, {1, 2, 3, 200, 0, 255}).ok());
  EXPECT_THAT(DecodePng(path).rgb, ElementsAre(1, 2, 3, 200, 0, 255));
}

TEST(WritePngFile, ErrorsNameTheFile) {
  const absl::Status status = WritePngFile("/dev/null/a.png", 1, 1, 1, {0});
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/dev/null"));
  EXPECT_DEATH(WritePngFile("a", 2, 1, 1, {0}).IgnoreError(), "2 x 1");
}

}  // namespace
}  // namespace cnn_fp4::viz
