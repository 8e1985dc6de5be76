#include "data/normalize.h"

#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

TEST(NormalizeTest, SpansTheRange) {
  const auto table = NormalizationTable(0.5, 0.25);
  EXPECT_EQ(table[0], -2.0f);
  EXPECT_EQ(table[255], 2.0f);
  EXPECT_EQ(table[51], static_cast<float>((51 / 255.0 - 0.5) / 0.25));
}

TEST(NormalizeTest, TransposesToPlanes) {
  Image image;
  image.width = 2;
  image.height = 1;
  image.channels = 3;
  image.pixels = {0, 51, 102, 255, 204, 153};
  EXPECT_EQ(NormalizeImage(image, 0, 1),
            (std::vector<float>{0, 1, 0.2f, 0.8f, 0.4f, 0.6f}));
}

}  // namespace
}  // namespace cnn_fp4::data
