#include "viz/line_plot.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "viz/ticks.h"

namespace cnn_fp4::viz {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

int Count(const std::string& text, const std::string& part) {
  return static_cast<int>(
             std::vector<std::string>(absl::StrSplit(text, part)).size()) -
         1;
}

TEST(Ticks, AreRoundAndFourToSeven) {
  EXPECT_THAT(Ticks(0, 1), ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_THAT(Ticks(-2.1, 1.3), ElementsAre(-2, -1, 0, 1));
  for (double high = 1; high < 1e6; high *= 1.7) {
    EXPECT_GE(Ticks(0, high).size(), 4u) << high;
    EXPECT_LE(Ticks(0, high).size(), 7u) << high;
  }
}

TEST(LinePlot, OneLineASeriesOnOneFrame) {
  const std::string svg =
      LinePlotSvg({"Loss <x>",
                   "step",
                   "dB",
                   {{"fp16", {{0, 1}, {10, 0}}}, {"nvfp4", {{0, 0.5}}}}});
  EXPECT_EQ(Count(svg, "<polyline"), 2);
  EXPECT_THAT(svg, HasSubstr("<title>Loss &lt;x&gt; (dB)</title>"));
  EXPECT_THAT(svg, HasSubstr("fp16 ends at 0. nvfp4 ends at 0.5."));
  // The corners, but for the room above and below: 5 % of the range.
  EXPECT_THAT(svg, HasSubstr("points=\"58.0,22.9 578.0,241.1 \""));
  EXPECT_THAT(svg, HasSubstr("<title>nvfp4, 0: 0.5</title>"));
}

TEST(LinePlot, WhatIsNotFiniteInterruptsTheLine) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = LinePlotSvg(
      {"Loss", "step", "", {{"a", {{0, 1}, {1, 2}, {2, nan}, {3, 1}}}}});
  EXPECT_EQ(Count(svg, "<polyline"), 2);
  EXPECT_EQ(Count(svg, "<circle"), 3);
  EXPECT_THAT(svg, Not(HasSubstr("nan,")));
  EXPECT_THAT(LinePlotSvg({"Loss", "step", "", {{"a", {}}}}),
              HasSubstr("a ends at no points"));
}

TEST(LinePlot, LongSeriesAreThinnedToMeans) {
  LineSeries series{"a", {}};
  for (int i = 0; i < 3 * kMaxPlotPoints; ++i) {
    series.points.emplace_back(i, i % 3 == 1 ? 3 : 0);
  }
  const std::string svg = LinePlotSvg({"Loss", "step", "", {series}});
  // Every mean is 1: one height, in the middle.
  EXPECT_EQ(Count(svg, ",132.0 "), kMaxPlotPoints);
  EXPECT_EQ(Count(svg, "<circle"), 0);
}

}  // namespace
}  // namespace cnn_fp4::viz
