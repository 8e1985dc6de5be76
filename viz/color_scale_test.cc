#include "viz/color_scale.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::viz {
namespace {

using ::testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Heatmap Map(HeatmapScale scale, std::vector<std::optional<double>> values) {
  Heatmap map;
  map.scale = scale;
  map.values = std::move(values);
  return map;
}

std::vector<std::string> Labels(const ColorScale& scale) {
  std::vector<std::string> labels;
  for (const Tick& tick : scale.Ticks()) labels.push_back(tick.label);
  return labels;
}

TEST(ColorScaleTest, LinearRunsFromSmallestToLargest) {
  const ColorScale scale(Map(HeatmapScale::kLinear, {2.0, 4.0, 3.0}));
  EXPECT_EQ(scale.Color(2.0), Colormap(ColormapId::kViridis, 0.0));
  EXPECT_EQ(scale.Color(3.0), Colormap(ColormapId::kViridis, 0.5));
  EXPECT_EQ(scale.Color(4.0), Colormap(ColormapId::kViridis, 1.0));
  EXPECT_THAT(Labels(scale), ElementsAre("2", "2.5", "3", "3.5", "4"));
}

TEST(ColorScaleTest, LogPutsEqualRatiosEquallyFarApart) {
  const ColorScale scale(Map(HeatmapScale::kLog, {1e-4, 1.0, 0.0, -5.0}));
  EXPECT_EQ(scale.Color(1e-2), Colormap(ColormapId::kViridis, 0.5));
  EXPECT_EQ(scale.Color(0.0), Colormap(ColormapId::kViridis, 0.0));
  EXPECT_EQ(scale.Color(-5.0), Colormap(ColormapId::kViridis, 0.0));
  EXPECT_THAT(Labels(scale),
              ElementsAre("0.0001", "0.001", "0.01", "0.1", "1"));
  EXPECT_NEAR(scale.Ticks()[2].position, 0.5, 1e-12);
}

TEST(ColorScaleTest, ShortLogRangesHaveTwosAndFives) {
  EXPECT_THAT(Labels(ColorScale(Map(HeatmapScale::kLog, {1.7, 43.0}))),
              ElementsAre("2", "5", "10", "20"));
  EXPECT_THAT(Labels(ColorScale(Map(HeatmapScale::kLog, {5.8, 45.0}))),
              ElementsAre("10", "20", "30", "40"));
  EXPECT_THAT(Labels(ColorScale(Map(HeatmapScale::kLog, {2.1, 2.9}))),
              ElementsAre("2.2", "2.4", "2.6", "2.8"));
}

TEST(ColorScaleTest, LogWithoutPositiveValuesIsLinear) {
  const ColorScale scale(Map(HeatmapScale::kLog, {-1.0, 0.0}));
  EXPECT_FALSE(scale.is_log());
  EXPECT_EQ(scale.Color(-0.5), Colormap(ColormapId::kViridis, 0.5));
}

TEST(ColorScaleTest, PercentStartsAtZero) {
  const ColorScale scale(Map(HeatmapScale::kPercent, {10.0, 20.0}));
  EXPECT_EQ(scale.Color(10.0), Colormap(ColormapId::kViridis, 0.5));
}

TEST(ColorScaleTest, SymmetricIsNeutralAtZero) {
  const ColorScale scale(Map(HeatmapScale::kSymmetric, {-1.0, 4.0}));
  EXPECT_EQ(scale.Color(0.0), Colormap(ColormapId::kVik, 0.5));
  EXPECT_EQ(scale.low(), -4.0);
  EXPECT_EQ(scale.high(), 4.0);
}

TEST(ColorScaleTest, WhatIsNoNumberHasItsOwnColour) {
  const ColorScale scale(
      Map(HeatmapScale::kLinear,
          {1.0, 2.0, std::nan(""), kInfinity, -kInfinity, std::nullopt}));
  EXPECT_EQ(scale.low(), 1.0);
  EXPECT_EQ(scale.high(), 2.0);
  EXPECT_EQ(scale.Color(std::nan("")), kNanColor);
  EXPECT_EQ(scale.Color(kInfinity), kPositiveInfColor);
  EXPECT_EQ(scale.Color(-kInfinity), kNegativeInfColor);
  EXPECT_EQ(scale.Color(std::nullopt), kMissingColor);
}

TEST(ColorScaleTest, EqualValuesStillHaveARange) {
  for (const HeatmapScale kind :
       {HeatmapScale::kLinear, HeatmapScale::kLog, HeatmapScale::kPercent,
        HeatmapScale::kSymmetric}) {
    for (const double value : {0.0, 5.0, 1e-30, -7.0, 1e300}) {
      const ColorScale scale(Map(kind, {value, value}));
      EXPECT_LT(scale.low(), scale.high());
      EXPECT_GE(scale.Ticks().size(), 2u) << value;
      for (const Tick& tick : scale.Ticks()) {
        EXPECT_GE(tick.position, 0.0);
        EXPECT_LE(tick.position, 1.0);
      }
    }
  }
}

TEST(ColorScaleTest, WithoutFiniteValuesThereIsNoRange) {
  const ColorScale scale(Map(HeatmapScale::kLog, {std::nan(""), std::nullopt}));
  EXPECT_FALSE(scale.has_range());
  EXPECT_TRUE(scale.Ticks().empty());
}

TEST(ColormapTest, ReservedColoursAreInNoMap) {
  for (const ColormapId id : {ColormapId::kViridis, ColormapId::kVik}) {
    for (int i = 0; i <= 1000; ++i) {
      const Rgb color = Colormap(id, i / 1000.0);
      for (const Rgb reserved :
           {kNanColor, kPositiveInfColor, kNegativeInfColor, kMissingColor}) {
        EXPECT_NE(color, reserved);
      }
    }
  }
}

TEST(ColormapTest, ViridisIsAsPublished) {
  EXPECT_EQ(ToHex(Colormap(ColormapId::kViridis, 0.0)), "#440154");
  EXPECT_EQ(ToHex(Colormap(ColormapId::kViridis, 1.0)), "#fde725");
  EXPECT_EQ(ToHex(Colormap(ColormapId::kViridis, -1.0)), "#440154");
  EXPECT_EQ(ToHex(Colormap(ColormapId::kViridis, 2.0)), "#fde725");
  // Entry 120 of 255, a control point.
  EXPECT_EQ(ToHex(Colormap(ColormapId::kViridis, 120 / 255.0)), "#23898e");
}

}  // namespace
}  // namespace cnn_fp4::viz
