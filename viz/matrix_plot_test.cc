#include "viz/matrix_plot.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "viz/colormap.h"

namespace cnn_fp4::viz {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

int Count(const std::string& text, const std::string& part) {
  return static_cast<int>(
             std::vector<std::string>(absl::StrSplit(text, part)).size()) -
         1;
}

TEST(MatrixPlot, ACellForEachShareWithItsValueUnderTheCursor) {
  const std::string svg =
      MatrixPlotSvg({"Values <of>",
                     {"enc1", "enc2"},
                     {"-6", "0", "6"},
                     {0.25, 0.5, 0.25, 0.0, std::nullopt, 0.125}});
  EXPECT_THAT(svg, HasSubstr("<title>Values &lt;of&gt;</title>"));
  EXPECT_EQ(Count(svg, "<title>enc"), 6);
  EXPECT_THAT(svg,
              HasSubstr("fill=\"" + ToHex(Colormap(ColormapId::kViridis, 1)) +
                        "\"><title>enc1, 0: 50 %</title>"));
  EXPECT_THAT(svg,
              HasSubstr("fill=\"" + ToHex(Colormap(ColormapId::kViridis, 0.5)) +
                        "\"><title>enc1, 6: 25 %</title>"));
  EXPECT_THAT(svg, HasSubstr("fill=\"" + ToHex(kMissingColor) +
                             "\"><title>enc2, 0: not measured</title>"));
  // The scale ends at the largest share.
  EXPECT_THAT(svg, HasSubstr(">50 %</text>"));
}

TEST(MatrixPlot, WithoutAnySharesThereIsNothingToDivideBy) {
  const std::string svg = MatrixPlotSvg({"t", {"a"}, {"0"}, {0.0}});
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr("a, 0: 0 %"));
}

}  // namespace
}  // namespace cnn_fp4::viz
