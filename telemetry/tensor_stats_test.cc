#include "telemetry/tensor_stats.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Relative to the statistic (to std for the mean): what the order of some
// million double additions may cost, and what rounding the mean to a double
// does to deviations from it.
double Tolerance(double mean, double std) {
  return 1e-12 +
         4 * std::numeric_limits<double>::epsilon() * std::abs(mean) / std;
}

struct Oracle {
  long double mean = 0, m2 = 0, m3 = 0, m4 = 0;
};

// Two passes in long double.
Oracle TwoPass(const std::vector<float>& x) {
  Oracle o;
  for (const float v : x) o.mean += v;
  o.mean /= static_cast<long double>(x.size());
  for (const float v : x) {
    const long double d = v - o.mean;
    o.m2 += d * d;
    o.m3 += d * d * d;
    o.m4 += d * d * d * d;
  }
  return o;
}

void ExpectClose(const TensorStats& stats, const std::vector<float>& x) {
  const Oracle o = TwoPass(x);
  const double n = static_cast<double>(x.size());
  const double std = std::sqrt(static_cast<double>(o.m2) / n);
  const double tolerance = Tolerance(static_cast<double>(o.mean), std);
  EXPECT_NEAR(stats.mean, static_cast<double>(o.mean), tolerance * std);
  EXPECT_NEAR(stats.std(), std, tolerance * std);
  EXPECT_NEAR(stats.m3, static_cast<double>(o.m3),
              tolerance * n * std * std * std);
  const double kurtosis = static_cast<double>(o.m4 / o.m2 / o.m2) * n;
  EXPECT_NEAR(stats.kurtosis(), kurtosis, tolerance * kurtosis);
}

std::vector<float> Normal(size_t n, float mean, float std, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(mean, std);
  std::vector<float> x(n);
  for (float& v : x) v = normal(generator);
  return x;
}

TEST(TensorStatsTest, EqualsTwoPassesAtEverySizeAroundLaneAndChunk) {
  for (const size_t n : {2, 7, 8, 9, 2047, 2048, 2049, 2056, 4096, 100003}) {
    SCOPED_TRACE(n);
    const std::vector<float> x = Normal(n, 0.1f, 2.0f, 243);
    ExpectClose(ComputeTensorStats(x), x);
  }
}

TEST(TensorStatsTest, ALargeMeanCostsNoPrecision) {
  // Sums of raw powers lose all digits of the variance here.
  const std::vector<float> x = Normal(50000, 1e6f, 1.0f, 1);
  ExpectClose(ComputeTensorStats(x), x);
}

TEST(TensorStatsTest, SkewedDataHasItsThirdMoment) {
  std::vector<float> x = Normal(30000, 0.0f, 1.0f, 2);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = i < 10000 ? std::exp(x[i]) : x[i] * 0.01f;
  }
  ExpectClose(ComputeTensorStats(x), x);
}

TEST(TensorStatsTest, CountsExtremesAndZeros) {
  const TensorStats stats = ComputeTensorStats(
      {0.0f, -0.0f, -3.0f, 2.0f, kNan, kInfinity, -kInfinity, kNan, 1e-45f});
  EXPECT_EQ(stats.count, 9);
  EXPECT_EQ(stats.nan_count, 2);
  EXPECT_EQ(stats.inf_count, 2);
  EXPECT_EQ(stats.nonfinite_count(), 4);
  EXPECT_EQ(stats.finite_count(), 5);
  EXPECT_EQ(stats.zero_count, 2);
  EXPECT_EQ(stats.min, -3.0);
  EXPECT_EQ(stats.max, 2.0);
  EXPECT_EQ(stats.amax(), 3.0);
}

TEST(TensorStatsTest, NonfiniteValuesDoNotTouchTheFiniteOnes) {
  std::vector<float> x = Normal(6000, 1.0f, 1.0f, 3);
  std::vector<float> dirty = x;
  for (const size_t at : {0, 2047, 2100, 5000}) {
    dirty.insert(dirty.begin() + static_cast<std::ptrdiff_t>(at),
                 at % 2 == 0 ? kNan : -kInfinity);
  }
  const TensorStats stats = ComputeTensorStats(dirty);
  ExpectClose(stats, x);
  EXPECT_EQ(stats.nan_count, 3);
  EXPECT_EQ(stats.inf_count, 1);
}

TEST(TensorStatsTest, MergeEqualsTheWholeWhereverItIsCut) {
  const std::vector<float> x = Normal(9001, -5.0f, 3.0f, 4);
  const absl::Span<const float> all(x);
  for (const size_t cut : {0, 1, 2048, 4000, 9000, 9001}) {
    SCOPED_TRACE(cut);
    TensorStats stats = ComputeTensorStats(all.subspan(0, cut));
    stats.Merge(ComputeTensorStats(all.subspan(cut)));
    ExpectClose(stats, x);
    EXPECT_EQ(stats.count, 9001);
  }
}

TEST(TensorStatsTest, KurtosisIsPearsons) {
  EXPECT_NEAR(ComputeTensorStats(Normal(1 << 20, 0, 1, 5)).kurtosis(), 3.0,
              0.03);
  std::vector<float> uniform(1 << 16);
  for (size_t i = 0; i < uniform.size(); ++i) {
    uniform[i] = static_cast<float>(i);
  }
  EXPECT_NEAR(ComputeTensorStats(uniform).kurtosis(), 1.8, 1e-3);
  EXPECT_DOUBLE_EQ(ComputeTensorStats({-1.0f, 1.0f}).kurtosis(), 1.0);
}

TEST(TensorStatsTest, WithoutFiniteValuesThereAreNone) {
  for (const TensorStats& stats :
       {ComputeTensorStats({}), ComputeTensorStats({kNan, kInfinity})}) {
    EXPECT_TRUE(std::isnan(stats.mean));
    EXPECT_TRUE(std::isnan(stats.std()));
    EXPECT_TRUE(std::isnan(stats.amax()));
    EXPECT_TRUE(std::isnan(stats.kurtosis()));
  }
}

TEST(TensorStatsTest, ConstantTensorsHaveNoKurtosis) {
  const TensorStats stats = ComputeTensorStats(std::vector<float>(5000, 0.1f));
  EXPECT_NEAR(stats.std(), 0.0, 1e-8);
  EXPECT_TRUE(std::isnan(ComputeTensorStats({2.0f, 2.0f}).kurtosis()));
}

TEST(TensorStatsTest, TheLargestFloatsDoNotOverflow) {
  const float top = std::numeric_limits<float>::max();
  const TensorStats stats = ComputeTensorStats({top, -top, top, -top});
  EXPECT_DOUBLE_EQ(stats.std(), top);
  EXPECT_DOUBLE_EQ(stats.kurtosis(), 1.0);
}

}  // namespace
}  // namespace cnn_fp4::telemetry
