#include "telemetry/quantiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

TEST(SampleQuantiles, OfAFewValuesAreExact) {
  // Ranks 0.04, 1, 2, 3 and 3.96 of 0 to 4.
  const auto q = SampleQuantiles({40.0f, 10.0f, 0.0f, 30.0f, 20.0f});
  EXPECT_NEAR(q[0], 0.4, 1e-12);
  EXPECT_EQ(q[1], 10);
  EXPECT_EQ(q[2], 20);
  EXPECT_EQ(q[3], 30);
  EXPECT_NEAR(q[4], 39.6, 1e-12);
  for (const double value : SampleQuantiles({7.0f})) EXPECT_EQ(value, 7);
}

TEST(SampleQuantiles, LeavesOutWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto q = SampleQuantiles({infinity, 1.0f, std::nanf(""), 3.0f});
  EXPECT_EQ(q[2], 2);
  for (const double value : SampleQuantiles({infinity})) {
    EXPECT_TRUE(std::isnan(value));
  }
  for (const double value : SampleQuantiles({})) {
    EXPECT_TRUE(std::isnan(value));
  }
}

// Columns of an image 128 wide that have a mean of their own: a sample of equal
// distances would see some of the columns alone.
TEST(SampleQuantiles, OfMillionsAreThoseOfASampleThatMissesNoColumn) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(size_t{1} << 21);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = normal(engine) + static_cast<float>(i % 128) / 16;
  }
  const auto q = SampleQuantiles(x);
  EXPECT_EQ(SampleQuantiles(x), q);
  std::vector<float> sorted = x;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    const auto below = std::lower_bound(sorted.begin(), sorted.end(),
                                        static_cast<float>(q[i])) -
                       sorted.begin();
    const double share =
        static_cast<double>(below) / static_cast<double>(x.size());
    const double deviation = std::sqrt(kQuantiles[i] * (1 - kQuantiles[i]) /
                                       static_cast<double>(kQuantileSample));
    EXPECT_NEAR(share, kQuantiles[i], 4 * deviation);
  }
}

}  // namespace
}  // namespace cnn_fp4::telemetry
