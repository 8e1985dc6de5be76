// The embedded images, through the door that a trainer uses.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "data/dataset.h"
#include "data/dataset_registry.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

TEST(NucleiTest, EverySampleIsRgbWithABinaryMask) {
  absl::StatusOr<DatasetPair> pair = OpenDataset(DatasetSpec(), ReadOptions());
  ASSERT_TRUE(pair.ok()) << pair.status();
  std::set<std::string> names;
  for (const auto& dataset : {pair->train, pair->val}) {
    int colour = 0;
    for (int64_t i = 0; i < dataset->size(); ++i) {
      absl::StatusOr<Sample> sample = dataset->Get(i);
      ASSERT_TRUE(sample.ok()) << sample.status();
      EXPECT_TRUE(names.insert(sample->name).second) << sample->name;
      const Image& image = sample->image;
      ASSERT_EQ(image.channels, 3);
      const size_t count = static_cast<size_t>(image.width) * image.height;
      ASSERT_EQ(image.pixels.size(), 3 * count);
      ASSERT_EQ(sample->mask.size(), count);
      const std::set<int> classes(sample->mask.begin(), sample->mask.end());
      EXPECT_EQ(classes, (std::set<int>{0, 1})) << sample->name;
      for (size_t p = 0; p < count; ++p) {
        if (image.pixels[3 * p] != image.pixels[3 * p + 1]) {
          ++colour;
          break;
        }
      }
    }
    // Both kinds of microscopy in both splits.
    EXPECT_EQ(colour, dataset == pair->train ? 13 : 5);
  }
}

TEST(NucleiTest, Describes) {
  absl::StatusOr<DatasetPair> pair = OpenDataset(DatasetSpec(), ReadOptions());
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->train->Describe(),
            "nuclei, train: 65 images, 256x256 to 360x360, 2 classes "
            "(background 84.82 %, nucleus 15.18 %), mask value 255 is "
            "nucleus");
  EXPECT_EQ(pair->val->Describe(),
            "nuclei, val: 17 images, 256x256 to 360x360, 2 classes "
            "(background 89.97 %, nucleus 10.03 %), mask value 255 is "
            "nucleus");
  EXPECT_TRUE(pair->warnings.empty()) << pair->warnings[0];
}

}  // namespace
}  // namespace cnn_fp4::data
