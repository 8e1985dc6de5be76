#include "viz/line_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "viz/html_text.h"
#include "viz/ticks.h"

namespace cnn_fp4::viz {
namespace {

// In user units, which are pixels where the page is wide enough.
constexpr double kLeft = 58, kRight = 14, kTop = 12;
constexpr double kWidth = 520, kHeight = 240;
constexpr double kBelow = 44;   // Numbers and label of the x axis.
constexpr double kLegend = 20;  // A line of the legend.
constexpr size_t kMaxDots = 40;

// Okabe and Ito 2008, "Color Universal Design", without black, which is no
// colour on a dark page.
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#e69f00", "#56b4e9", "#8a7f00"};
constexpr size_t kNumColors = std::size(kColors);

std::string Stroke(size_t series) {
  return absl::StrCat("stroke=\"", kColors[series % kNumColors], "\"",
                      series < kNumColors ? "" : " stroke-dasharray=\"5 3\"");
}

using Points = std::vector<std::pair<double, double>>;

Points Thinned(const Points& points) {
  const size_t share = (points.size() + kMaxPlotPoints - 1) / kMaxPlotPoints;
  if (share <= 1) return points;
  Points thinned;
  for (size_t first = 0; first < points.size(); first += share) {
    const size_t n = std::min(share, points.size() - first);
    double y = 0;
    for (size_t i = 0; i < n; ++i) y += points[first + i].second;
    thinned.emplace_back(points[first + n - 1].first,
                         y / static_cast<double>(n));
  }
  return thinned;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // So that there is something to divide by, with a little room.
  void Widen(double room) {
    if (!(low <= high)) low = high = 0;
    if (low == high) {
      low -= 0.5;
      high += 0.5;
    }
    const double extra = room * (high - low);
    low -= extra;
    high += extra;
  }
};

struct Frame {
  Range x, y;
  double X(double value) const {
    return kLeft + kWidth * (value - x.low) / (x.high - x.low);
  }
  double Y(double value) const {
    return kTop + kHeight * (y.high - value) / (y.high - y.low);
  }
};

std::string AxesSvg(const Frame& frame, const LinePlot& plot) {
  std::string svg;
  const double bottom = kTop + kHeight;
  for (const double tick : Ticks(frame.y.low, frame.y.high)) {
    const double y = frame.Y(tick);
    absl::StrAppendFormat(
        &svg,
        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
        "stroke=\"var(--line)\"/>\n<text x=\"%.1f\" y=\"%.1f\" "
        "text-anchor=\"end\">%g</text>\n",
        kLeft, kLeft + kWidth, y, y, kLeft - 8, y + 4,
        std::abs(tick) < 1e-12 ? 0 : tick);
  }
  for (const double tick : Ticks(frame.x.low, frame.x.high)) {
    absl::StrAppendFormat(&svg,
                          "<text x=\"%.1f\" y=\"%.1f\" "
                          "text-anchor=\"middle\">%g</text>\n",
                          frame.X(tick), bottom + 17, tick);
  }
  absl::StrAppendFormat(&svg,
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                        "fill=\"var(--quiet)\">%s</text>\n",
                        kLeft + kWidth / 2, bottom + 36,
                        EscapeHtml(plot.x_label));
  return svg;
}

std::string SeriesSvg(const Points& points, const Frame& frame, size_t index,
                      const std::string& label) {
  std::string svg, run;
  const auto end_run = [&] {
    if (!run.empty()) {
      absl::StrAppend(&svg, "<polyline fill=\"none\" stroke-width=\"1.8\" ",
                      "stroke-linejoin=\"round\" ", Stroke(index), " points=\"",
                      run, "\"/>\n");
    }
    run.clear();
  };
  for (const auto& [x, y] : points) {
    if (!std::isfinite(y)) {
      end_run();
      continue;
    }
    absl::StrAppendFormat(&run, "%.1f,%.1f ", frame.X(x), frame.Y(y));
  }
  end_run();
  if (points.size() > kMaxDots) return svg;
  for (const auto& [x, y] : points) {
    if (!std::isfinite(y)) continue;
    absl::StrAppendFormat(&svg,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" "
                          "fill=\"%s\"><title>%s, %g: %.4g</title></circle>\n",
                          frame.X(x), frame.Y(y), kColors[index % kNumColors],
                          EscapeHtml(label), x, y);
  }
  return svg;
}

std::string LastOf(const LineSeries& series) {
  return series.points.empty()
             ? "no points"
             : absl::StrFormat("%.4g", series.points.back().second);
}

}  // namespace

std::string LinePlotSvg(const LinePlot& plot) {
  std::vector<Points> all;
  Frame frame;
  for (const LineSeries& series : plot.series) {
    all.push_back(Thinned(series.points));
    for (const auto& [x, y] : all.back()) {
      frame.x.Include(x);
      frame.y.Include(y);
    }
  }
  frame.x.Widen(0);
  frame.y.Widen(0.05);
  const double width = kLeft + kWidth + kRight;
  const double legend = kTop + kHeight + kBelow;
  const double height =
      legend + kLegend * static_cast<double>(plot.series.size()) + 6;
  const std::string title =
      plot.unit.empty() ? plot.title
                        : absl::StrCat(plot.title, " (", plot.unit, ")");
  std::string svg = absl::StrFormat(
      "<svg role=\"img\" class=\"line-plot\" viewBox=\"0 0 %.0f %.0f\" "
      "width=\"100%%\" style=\"max-width: %.0fpx\" font-size=\"13\" "
      "fill=\"var(--ink)\">\n<title>%s</title>\n<desc>",
      width, height, width, EscapeHtml(title));
  for (const LineSeries& series : plot.series) {
    absl::StrAppend(&svg, EscapeHtml(series.label), " ends at ", LastOf(series),
                    ". ");
  }
  absl::StrAppend(&svg, "</desc>\n", AxesSvg(frame, plot));
  for (size_t i = 0; i < all.size(); ++i) {
    absl::StrAppend(&svg, SeriesSvg(all[i], frame, i, plot.series[i].label));
    const double y = legend + kLegend * (static_cast<double>(i) + 0.5);
    absl::StrAppendFormat(
        &svg,
        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
        "stroke-width=\"3\" %s/>\n<text x=\"%.1f\" y=\"%.1f\">%s "
        "<tspan fill=\"var(--quiet)\">%s</tspan></text>\n",
        kLeft, kLeft + 24, y, y, Stroke(i), kLeft + 32, y + 4,
        EscapeHtml(plot.series[i].label), LastOf(plot.series[i]));
  }
  return svg + "</svg>\n";
}

}  // namespace cnn_fp4::viz
