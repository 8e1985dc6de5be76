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

// Of both signs, over many orders of magnitude, with equal ones and both zeros.
TEST(SampleQuantiles, AreThoseOfTheSortedValues) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  for (const size_t n : {2, 3, 255, 5000}) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = i % 3 == 0 ? -0.0f : normal(engine) * std::exp(normal(engine) * 9);
      if (i % 7 == 0) x[i] = 0.5f;
    }
    const auto q = SampleQuantiles(x);
    std::sort(x.begin(), x.end());
    for (size_t i = 0; i < q.size(); ++i) {
      const double rank = kQuantiles[i] * static_cast<double>(n - 1);
      const auto lower = static_cast<size_t>(rank);
      const double low = static_cast<double>(x[lower]);
      const double high = static_cast<double>(x[std::min(lower + 1, n - 1)]);
      EXPECT_DOUBLE_EQ(q[i], low + (rank - std::floor(rank)) * (high - low))
          << n << " " << kQuantiles[i];
    }
  }
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
