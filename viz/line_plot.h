#ifndef VIZ_LINE_PLOT_H_
#define VIZ_LINE_PLOT_H_

// Curves over the steps of a training as an SVG element for a page with
// PageStyle(): one line a series, all on the same axes, with a legend.
//
//   const std::string svg = LinePlotSvg(
//       {"Training loss", "step", "",
//        {{"fp16", {{1, 0.9}, {2, 0.7}}}, {"nvfp4", {{1, 0.9}, {2, 0.72}}}}});
//
// Colours are Okabe and Ito's, which those with the common forms of colour
// blindness tell apart; beyond seven series they repeat with dashes. A point
// that is not finite interrupts its line. Series with few points have dots,
// whose numbers show under the cursor; the last number of each is in the
// legend.

#include <string>
#include <utility>
#include <vector>

namespace cnn_fp4::viz {

struct LineSeries {
  std::string label;
  std::vector<std::pair<double, double>> points;  // By x.
};

struct LinePlot {
  std::string title;
  std::string x_label;
  std::string unit;  // Of y; empty: none.
  std::vector<LineSeries> series;
};

// At most so many points of a series are drawn: beyond, each is the mean of as
// many neighbours as it takes.
inline constexpr int kMaxPlotPoints = 400;

std::string LinePlotSvg(const LinePlot& plot);

}  // namespace cnn_fp4::viz

#endif  // VIZ_LINE_PLOT_H_
