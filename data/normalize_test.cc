#include "data/normalize.h"

#include <cstdint>
#include <string>
#include <utility>
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

Image TwoPixels(std::vector<uint8_t> pixels) {
  Image image;
  image.width = 2;
  image.height = 1;
  image.channels = 3;
  image.pixels = std::move(pixels);
  return image;
}

BatchSpec Spec(double mean, double stddev, const std::string& normalization) {
  BatchSpec spec;
  spec.mean = mean;
  spec.stddev = stddev;
  spec.normalization = normalization;
  return spec;
}

TEST(NormalizeTest, TransposesToPlanes) {
  EXPECT_EQ(NormalizeImage(TwoPixels({0, 51, 102, 255, 204, 153}),
                           Spec(0, 1, "constants")),
            (std::vector<float>{0, 1, 0.2f, 0.8f, 0.4f, 0.6f}));
}

TEST(NormalizeTest, AnImageByItsOwnMoments) {
  // Mean 100, deviation 10 in steps of 8 bits.
  const Image image = TwoPixels({90, 110, 90, 110, 90, 110});
  const PixelMoments moments = MomentsOf(image);
  EXPECT_DOUBLE_EQ(moments.mean, 100 / 255.0);
  EXPECT_DOUBLE_EQ(moments.stddev, 10 / 255.0);
  // What the fields say does not matter.
  const std::vector<float> values =
      NormalizeImage(image, Spec(0.1, 7, "image"));
  const std::vector<float> expected = {-1, 1, 1, -1, -1, 1};
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_FLOAT_EQ(values[i], expected[i]) << i;
  }
}

TEST(NormalizeTest, AConstantImageIsZero) {
  for (const float value :
       NormalizeImage(TwoPixels({7, 7, 7, 7, 7, 7}), Spec(0, 1, "image"))) {
    EXPECT_EQ(value, 0);
  }
}

}  // namespace
}  // namespace cnn_fp4::data
