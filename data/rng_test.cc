#include "data/rng.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// The published outputs of SplitMix64 from the seed 1234567: Mix64 of the
// counter.
TEST(RngTest, MixesAsSplitMix64) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;
  uint64_t state = 1234567;
  EXPECT_EQ(Mix64(state += kGolden), 6457827717110365317u);
  EXPECT_EQ(Mix64(state += kGolden), 3203168211198807973u);
  EXPECT_EQ(Mix64(state += kGolden), 9817491932198370423u);
  EXPECT_EQ(Mix64(state += kGolden), 4593380528125082431u);
  EXPECT_EQ(Mix64(state += kGolden), 16408922859458223821u);
}

TEST(RngTest, KeysThatDifferAnywhereDiffer) {
  std::set<uint64_t> first;
  for (uint64_t a = 0; a < 20; ++a) {
    for (uint64_t b = 0; b < 20; ++b) {
      first.insert(Rng({a, b}).Next());
      first.insert(Rng({a, b, 0}).Next());
    }
  }
  EXPECT_EQ(first.size(), 800u);
}

TEST(RngTest, BelowIsUniform) {
  Rng rng({1});
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[rng.Below(7)];
  // 10,000 each, standard deviation 93.
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 5 * 93);
  EXPECT_EQ(rng.Below(1), 0u);
}

TEST(RngTest, UniformFillsItsInterval) {
  Rng rng({2});
  double sum = 0, low = 1, high = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double u = rng.Uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_NEAR(sum / 100'000, 0.5, 5 * 0.2887 / std::sqrt(100'000.0));
  EXPECT_LT(low, 1e-3);
  EXPECT_GT(high, 1 - 1e-3);
}

}  // namespace
}  // namespace cnn_fp4::data
