#include "telemetry/histogram.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAre;

LayerHistogram Of(TensorKind kind) {
  LayerHistogram histogram;
  histogram.tensor = kind;
  return histogram;
}

TEST(HistogramTest, KeysReadBack) {
  for (const HistogramOf of :
       {HistogramOf::kExponents, HistogramOf::kCodes, HistogramOf::kE4m3Scales,
        HistogramOf::kE8m0Scales}) {
    EXPECT_EQ(FindHistogram(HistogramKey(of)), of);
  }
  EXPECT_EQ(FindHistogram("values"), std::nullopt);
}

TEST(HistogramTest, ExponentsAreThoseOfLog2) {
  const float inf = std::numeric_limits<float>::infinity();
  LayerHistogram histogram = Of(TensorKind::kActivations);
  const std::vector<float> values = {
      1.0f,  -1.5f, 0.75f, 31.9f,
      32.0f, 1e9f,  1e-9f, -std::numeric_limits<float>::denorm_min(),
      0.0f,  -0.0f, inf,   std::nanf("")};
  CountExponents(values, &histogram);
  EXPECT_EQ(histogram.first, -24);
  ASSERT_EQ(histogram.counts.size(), 30u);
  EXPECT_EQ(histogram.counts[24 + 0], 2);
  EXPECT_EQ(histogram.counts[24 - 1], 1);
  EXPECT_EQ(histogram.counts[24 + 4], 1);
  EXPECT_EQ(histogram.counts[24 + 5], 2);  // 32, and all beyond.
  EXPECT_EQ(histogram.counts[0], 2);
  EXPECT_EQ(histogram.zeros, 2);
  EXPECT_EQ(histogram.nonfinite, 2);
  LayerHistogram gradients = Of(TensorKind::kGradients);
  CountExponents(values, &gradients);
  EXPECT_EQ(gradients.first, -40);
  EXPECT_EQ(gradients.counts[40 - 30], 1);  // 1e-9.
}

TEST(HistogramTest, ScalesAreCountedFromTheLowestCode) {
  LayerHistogram histogram = Of(TensorKind::kActivations);
  CountScales(HistogramOf::kE4m3Scales, std::vector<uint8_t>{56, 58, 56},
              &histogram);
  EXPECT_EQ(histogram.first, 56);
  EXPECT_THAT(histogram.counts, ElementsAre(2, 0, 1));
  CountScales(HistogramOf::kE4m3Scales, {}, &histogram);
  EXPECT_THAT(histogram.counts, ElementsAre());
}

// The non-empty bins as (left edge, count).
std::vector<std::pair<double, double>> NonEmpty(const LayerHistogram& h) {
  const HistogramBins bins = BinsForDisplay(h);
  EXPECT_EQ(bins.counts.size(), 30u);
  std::vector<std::pair<double, double>> found;
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    if (bins.counts[i] == 0) continue;
    found.emplace_back(bins.left + bins.width * static_cast<double>(i),
                       bins.counts[i]);
  }
  return found;
}

TEST(HistogramTest, CodesAreShownInTheOrderOfTheirValues) {
  LayerHistogram histogram = Of(TensorKind::kWeightsQuantized);
  CountCodes(std::vector<uint8_t>{0, 1, 7, 8, 15, 15, 9}, &histogram);
  EXPECT_THAT(NonEmpty(histogram),
              ElementsAre(std::pair(-8.0, 2.0), std::pair(-2.0, 1.0),
                          std::pair(-1.0, 1.0), std::pair(0.0, 1.0),
                          std::pair(1.0, 1.0), std::pair(7.0, 1.0)));
}

TEST(HistogramTest, ScalesAreShownByTheirExponent) {
  LayerHistogram histogram = Of(TensorKind::kActivations);
  // E4M3: 1.0, 1.875, 448, the smallest subnormal, zero.
  CountScales(HistogramOf::kE4m3Scales,
              std::vector<uint8_t>{0x38, 0x3f, 0x7e, 0x01, 0x00}, &histogram);
  EXPECT_THAT(NonEmpty(histogram),
              ElementsAre(std::pair(-20.0, 1.0), std::pair(-9.0, 1.0),
                          std::pair(0.0, 2.0), std::pair(8.0, 1.0)));
  CountScales(HistogramOf::kE8m0Scales, std::vector<uint8_t>{127, 120, 10},
              &histogram);
  EXPECT_THAT(NonEmpty(histogram),
              ElementsAre(std::pair(-20.0, 1.0), std::pair(-7.0, 1.0),
                          std::pair(0.0, 1.0)));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
