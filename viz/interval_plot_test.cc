#include "viz/interval_plot.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::viz {
namespace {

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
