#include "viz/interval_plot.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::viz {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The axis from -1 to 1 with 0.1 of room begins after 4 letters of 7.4 and two
// gaps of 14 and is 460 wide: zero is at 57.6 + 230, and 1 is 209.1 from there.
IntervalPlot Example() {
  return {"loss less <a>'s", "Of two seeds.", {{"arms", 0.5, -1, 1, {0, 1}}}};
}

TEST(IntervalPlotSvg, DrawsValuesToScale) {
  const std::string svg = IntervalPlotSvg(Example());
  // The line at zero.
  EXPECT_THAT(svg, HasSubstr("<line x1=\"287.6\" x2=\"287.6\" y1=\"12.0\" "
                             "y2=\"46.0\" stroke=\"var(--ink)\""));
  // The interval, the centre, the values.
  EXPECT_THAT(svg, HasSubstr("<line x1=\"78.5\" x2=\"496.7\""));
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"392.1\" cy=\"25.6\" r=\"5\""));
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"287.6\" cy=\"34.6\" r=\"3\""));
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"496.7\" cy=\"34.6\" r=\"3\""));
}

// The numbers under the axis: the texts that are centred, but for its title.
std::vector<std::string> Ticks(double low, double high) {
  const std::string svg =
      IntervalPlotSvg({"t", "d", {{"a", low, low, high, {}}}});
  std::vector<std::string> ticks;
  const std::string before = "text-anchor=\"middle\">";
  for (size_t at = svg.find(before); at != std::string::npos;
       at = svg.find(before, at + 1)) {
    const size_t begin = at + before.size();
    ticks.push_back(svg.substr(begin, svg.find('<', begin) - begin));
  }
  return ticks;
}

TEST(IntervalPlotSvg, TheAxisHasRoundTicks) {
  EXPECT_THAT(Ticks(-1, 1), ElementsAre("-1", "-0.5", "0", "0.5", "1"));
  EXPECT_THAT(Ticks(-0.022, 0.002),
              ElementsAre("-0.02", "-0.015", "-0.01", "-0.005", "0"));
  EXPECT_THAT(Ticks(0, 0.9), ElementsAre("0", "0.25", "0.5", "0.75"));
}

TEST(IntervalPlotSvg, TheAxisHasFourToSevenTicks) {
  for (double length = 1e-6; length < 1e6; length *= 1.03) {
    for (const double share : {0.0, 0.1, 0.37, 0.5, 0.99, 1.0}) {
      const size_t count = Ticks(-share * length, (1 - share) * length).size();
      EXPECT_TRUE(count >= 4 && count <= 7)
          << count << " ticks: " << length << ", " << share;
    }
  }
  // Values that differ by next to nothing.
  EXPECT_GE(Ticks(0, 5e-324).size(), 1u);
}

TEST(IntervalPlotSvg, SaysInWordsWhatItShows) {
  const std::string svg = IntervalPlotSvg(Example());
  EXPECT_THAT(svg, HasSubstr("<title>loss less &lt;a&gt;&#39;s</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc>Of two seeds. arms: +0.5000 [-1.0000, "
                             "+1.0000].</desc>"));
  EXPECT_THAT(svg, HasSubstr("role=\"img\""));
}

TEST(IntervalPlotSvg, WhatIsNotThereIsNotDrawn) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = IntervalPlotSvg(
      {"t", "d", {{"a", {}, {}, {}, {}}, {"b", nan, nan, nan, {nan}}}});
  EXPECT_THAT(svg, HasSubstr("a: no pairs yet. b: not a number."));
  EXPECT_THAT(svg, Not(HasSubstr("<circle")));
  EXPECT_THAT(svg, Not(HasSubstr("\"nan\"")));
  // One pair has no interval.
  EXPECT_THAT(IntervalPlotSvg({"t", "d", {{"a", 1.0, {}, {}, {1.0}}}}),
              HasSubstr("a: +1.0000.</desc>"));
}

}  // namespace
}  // namespace cnn_fp4::viz
