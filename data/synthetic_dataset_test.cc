#include "data/synthetic_dataset.h"

#include <cstdint>
#include <set>
#include <string>

#include "data/dataset_registry.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

TEST(SyntheticTest, TheSeedDecidesAll) {
  absl::StatusOr<DatasetPair> a = OpenSynthetic({7, 8, 32});
  absl::StatusOr<DatasetPair> b = OpenSynthetic({7, 8, 32});
  absl::StatusOr<DatasetPair> other = OpenSynthetic({8, 8, 32});
  ASSERT_TRUE(a.ok() && b.ok() && other.ok());
  EXPECT_EQ(a->train->size(), 8);
  EXPECT_EQ(a->val->size(), 2);
  const Sample sample = *a->train->Get(3);
  EXPECT_EQ(sample.image.pixels, b->train->Get(3)->image.pixels);
  EXPECT_EQ(sample.mask, b->train->Get(3)->mask);
  EXPECT_NE(sample.image.pixels, other->train->Get(3)->image.pixels);
  EXPECT_NE(sample.image.pixels, a->train->Get(2)->image.pixels);
  EXPECT_NE(a->train->Get(0)->image.pixels, a->val->Get(0)->image.pixels);
}

// FNV-1a over pixels and mask: other bytes would be another dataset.
TEST(SyntheticTest, IsPinned) {
  const Sample sample = *OpenSynthetic({1, 1, 64})->train->Get(0);
  uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& bytes : {sample.image.pixels, sample.mask}) {
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  }
  EXPECT_EQ(hash, 2805995463881093761u);
}

TEST(SyntheticTest, HasAllClasses) {
  DatasetOptions options;
  options.dataset = "synthetic";
  options.synthetic_count = 10;
  options.synthetic_size = 48;
  absl::StatusOr<DatasetPair> pair = OpenDataset(options);
  ASSERT_TRUE(pair.ok());
  std::set<int> classes;
  for (int64_t i = 0; i < pair->train->size(); ++i) {
    const Sample sample = *pair->train->Get(i);
    ASSERT_EQ(sample.image.pixels.size(), 48u * 48 * 3);
    ASSERT_EQ(sample.mask.size(), 48u * 48);
    classes.insert(sample.mask.begin(), sample.mask.end());
  }
  EXPECT_EQ(classes, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(pair->val->Describe(),
            "synthetic, seed 0, val: 2 images, 48x48, 3 classes (background, "
            "disc, box)");
}

TEST(SyntheticTest, RefusesSizesAndCounts) {
  EXPECT_EQ(OpenSynthetic({0, 0, 64}).status().message(),
            "synthetic_count is 0; it must be at least 1");
  EXPECT_EQ(OpenSynthetic({0, 1, 15}).status().message(),
            "synthetic_size is 15; it must be 16 to 4096");
}

}  // namespace
}  // namespace cnn_fp4::data
