#ifndef VIZ_INTERVAL_PLOT_H_
#define VIZ_INTERVAL_PLOT_H_

// Estimates with their intervals as an SVG element for a page with PageStyle():
// one row an estimate, a dot for its centre, a bar for its interval, a small
// ring for each value it was made from, and a line at zero.
//
//   const std::string svg = IntervalPlotSvg(
//       {"mIoU less fp16's", "Paired differences of 5 seeds.",
//        {{"nvfp4", -0.04, -0.05, -0.03, {-0.05, -0.03}}}});
//
// Each row's numbers are text beside it, and the title and description are what
// a screen reader says. What is not finite is not drawn; its text says so.

#include <optional>
#include <string>
#include <vector>

namespace cnn_fp4::viz {

struct IntervalRow {
  std::string label;
  std::optional<double> center;  // nullopt: nothing is known yet.
  // Both or none.
  std::optional<double> low;
  std::optional<double> high;
  std::vector<double> values;
};

struct IntervalPlot {
  std::string title;  // Also of the axis.
  std::string description;
  std::vector<IntervalRow> rows;
};

std::string IntervalPlotSvg(const IntervalPlot& plot);

}  // namespace cnn_fp4::viz

#endif  // VIZ_INTERVAL_PLOT_H_
