#include "data/synthetic_dataset.h"

#include <cstdint>
#include <set>
#include <string>

#include "data/dataset_registry.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

absl::StatusOr<DatasetPair> Open(uint64_t seed, int64_t count, int64_t size) {
  DatasetSpec spec;
  spec.dataset = "synthetic";
  spec.synthetic_count = count;
  spec.synthetic_size = size;
  ReadOptions options;
  options.seed = seed;
  return OpenDataset(spec, options);
}

TEST(SyntheticTest, TheSeedDecidesAll) {
  absl::StatusOr<DatasetPair> a = Open(7, 8, 32);
  absl::StatusOr<DatasetPair> b = Open(7, 8, 32);
  absl::StatusOr<DatasetPair> other = Open(8, 8, 32);
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
  const Sample sample = *Open(1, 1, 64)->train->Get(0);
  uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& bytes : {sample.image.pixels, sample.mask}) {
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  }
  EXPECT_EQ(hash, 2805995463881093761u);
}

TEST(SyntheticTest, HasAllClasses) {
  absl::StatusOr<DatasetPair> pair = Open(0, 10, 48);
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

}  // namespace
}  // namespace cnn_fp4::data
