#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "data/normalize.h"
#include "data/rng.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// Red is the column, green the row; the class is 1 in the given column.
Sample MakeSample(int width, int height, int marked_column = -1) {
  Sample sample;
  sample.image.width = width;
  sample.image.height = height;
  sample.image.channels = 3;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      sample.image.pixels.push_back(static_cast<uint8_t>(x));
      sample.image.pixels.push_back(static_cast<uint8_t>(y));
      sample.image.pixels.push_back(7);
      sample.mask.push_back(x == marked_column ? 1 : 0);
    }
  }
  return sample;
}

struct Crop {
  std::vector<float> image;
  std::vector<int64_t> target;
};

Crop Write(const Sample& sample, const CropPlacement& placement, int crop) {
  std::array<float, 256> table;  // No normalisation: table[v] = v.
  for (int v = 0; v < 256; ++v) table[v] = static_cast<float>(v);
  Crop out;
  out.image.assign(3 * crop * crop, -1);
  out.target.assign(crop * crop, -1);
  WriteCrop(sample, placement, crop, table, out.image.data(),
            out.target.data());
  return out;
}

TEST(WriteCropTest, WithoutResizeIsACopy) {
  const Sample sample = MakeSample(8, 6, 4);
  CropPlacement placement;
  placement.top = 2;
  placement.left = 3;
  const Crop crop = Write(sample, placement, 2);
  EXPECT_EQ(crop.image, (std::vector<float>{3, 4, 3, 4,  // Red: columns.
                                            2, 2, 3, 3,  // Green: rows.
                                            7, 7, 7, 7}));
  EXPECT_EQ(crop.target, (std::vector<int64_t>{0, 1, 0, 1}));
}

TEST(WriteCropTest, FlipsMirrorTheWholeImage) {
  const Sample sample = MakeSample(8, 6, 7);
  CropPlacement placement;
  placement.flip_x = true;
  Crop crop = Write(sample, placement, 2);
  EXPECT_EQ(crop.image,
            (std::vector<float>{7, 6, 7, 6, 0, 0, 1, 1, 7, 7, 7, 7}));
  EXPECT_EQ(crop.target, (std::vector<int64_t>{1, 0, 1, 0}));
  placement.flip_x = false;
  placement.flip_y = true;
  crop = Write(sample, placement, 2);
  EXPECT_EQ(crop.image,
            (std::vector<float>{0, 1, 0, 1, 5, 5, 4, 4, 7, 7, 7, 7}));
}

TEST(WriteCropTest, ResizeInterpolatesTheImageAndPicksTheMask) {
  const Sample sample = MakeSample(4, 4, 1);
  CropPlacement placement;
  placement.scale = 2;  // Centres at -0.25, 0.25, 0.75, 1.25, ...
  const Crop crop = Write(sample, placement, 8);
  const std::vector<float> row = {0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3};
  EXPECT_EQ(std::vector<float>(crop.image.begin(), crop.image.begin() + 8),
            row);
  for (int y = 0; y < 8; ++y) EXPECT_EQ(crop.image[64 + 8 * y], row[y]);
  EXPECT_EQ(std::vector<int64_t>(crop.target.begin(), crop.target.begin() + 8),
            (std::vector<int64_t>{0, 0, 1, 1, 0, 0, 0, 0}));
  // Image and mask stay together under a flip.
  placement.flip_x = true;
  const Crop flipped = Write(sample, placement, 8);
  for (int x = 0; x < 8; ++x) {
    EXPECT_EQ(flipped.image[x], row[7 - x]);
    EXPECT_EQ(flipped.target[x], crop.target[7 - x]);
  }
}

TEST(WriteCropTest, PadsWithZeroAndIgnore) {
  const Sample sample = MakeSample(2, 2);
  CropPlacement placement;
  placement.top = -1;
  placement.left = -1;
  const Crop crop = Write(sample, placement, 4);
  const int64_t i = kIgnore;
  EXPECT_EQ(crop.target, (std::vector<int64_t>{i, i, i, i,  //
                                               i, 0, 0, i,  //
                                               i, 0, 0, i,  //
                                               i, i, i, i}));
  EXPECT_EQ(crop.image[2 * 16 + 0], 0);
  EXPECT_EQ(crop.image[2 * 16 + 5], 7);
}

BatchSpec WithCrop(int64_t crop) {
  BatchSpec spec;
  spec.crop = crop;
  return spec;
}

TEST(DrawCropTest, StaysInsideAndReachesEverywhere) {
  const Sample sample = MakeSample(20, 10);
  BatchSpec options = WithCrop(8);
  options.min_scale = options.max_scale = 1;
  Rng rng({3});
  std::set<std::tuple<bool, bool>> flips;
  std::set<int> tops, lefts;
  for (int i = 0; i < 3000; ++i) {
    const CropPlacement placement = DrawCrop(sample, options, &rng);
    flips.insert({placement.flip_x, placement.flip_y});
    tops.insert(placement.top);
    lefts.insert(placement.left);
  }
  EXPECT_EQ(flips.size(), 4u);
  EXPECT_EQ(tops, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(lefts.size(), 13u);
  EXPECT_EQ(*lefts.begin(), 0);
  EXPECT_EQ(*lefts.rbegin(), 12);
}

TEST(DrawCropTest, SmallImagesLieAnywhereInTheCrop) {
  const Sample sample = MakeSample(5, 8);
  BatchSpec options = WithCrop(8);
  options.min_scale = options.max_scale = 1;
  options.horizontal_flip = options.vertical_flip = false;
  Rng rng({3});
  std::set<int> tops, lefts;
  for (int i = 0; i < 1000; ++i) {
    const CropPlacement placement = DrawCrop(sample, options, &rng);
    EXPECT_FALSE(placement.flip_x || placement.flip_y);
    tops.insert(placement.top);
    lefts.insert(placement.left);
  }
  EXPECT_EQ(tops, (std::set<int>{0}));
  EXPECT_EQ(lefts, (std::set<int>{-3, -2, -1, 0}));
}

TEST(DrawCropTest, ScalesFillTheirRange) {
  const Sample sample = MakeSample(40, 40);
  Rng rng({3});
  double low = 9, high = 0;
  for (int i = 0; i < 1000; ++i) {
    const double scale = DrawCrop(sample, WithCrop(8), &rng).scale;
    low = std::min(low, scale);
    high = std::max(high, scale);
  }
  EXPECT_GE(low, 0.8);
  EXPECT_LT(low, 0.81);
  EXPECT_LT(high, 1.25);
  EXPECT_GT(high, 1.24);
}

// The options must not shift the draws that others get.
TEST(DrawCropTest, DrawsAFixedNumber) {
  const Sample sample = MakeSample(40, 40, 3);
  BatchSpec other = WithCrop(8);
  other.horizontal_flip = false;
  other.min_scale = other.max_scale = 1;
  other.foreground_probability = 1;
  Rng a({3}), b({3});
  DrawCrop(sample, WithCrop(8), &a);
  DrawCrop(MakeSample(4, 4), other, &b);
  EXPECT_EQ(a.Next(), b.Next());
}

TEST(DrawCropTest, CropsRoundTheForeground) {
  BatchSpec options = WithCrop(16);
  options.foreground_probability = 1;
  Rng rng({5});
  for (const int column : {0, 13, 59}) {
    const Sample sample = MakeSample(60, 40, column);
    for (int i = 0; i < 200; ++i) {
      const CropPlacement placement = DrawCrop(sample, options, &rng);
      const Crop crop = Write(sample, placement, 16);
      // A column of one pixel can vanish when the image shrinks.
      if (placement.scale < 1) continue;
      EXPECT_EQ(std::count(crop.target.begin(), crop.target.end(), 1) > 0, true)
          << column << " " << i;
      EXPECT_EQ(std::count(crop.target.begin(), crop.target.end(), kIgnore), 0);
    }
  }
  // Without any foreground: anywhere.
  const Sample empty = MakeSample(60, 40);
  std::set<int> lefts;
  for (int i = 0; i < 200; ++i) {
    lefts.insert(DrawCrop(empty, options, &rng).left);
  }
  EXPECT_GT(lefts.size(), 20u);
}

}  // namespace
}  // namespace cnn_fp4::data
