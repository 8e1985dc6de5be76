#include "viz/interval_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "viz/html_text.h"
#include "viz/ticks.h"

namespace cnn_fp4::viz {
namespace {

// In user units, which are pixels where the page is wide enough.
constexpr double kRow = 34;
constexpr double kTop = 12;
constexpr double kBottom = 48;
constexpr double kPlot = 460;
constexpr double kGap = 14;
constexpr double kNumbers = 190;  // For "-0.0410 [-0.0520, -0.0300]".
constexpr double kCharacter = 7.4;

struct Axis {
  double low = 0;
  double high = 0;
  double left = 0;  // Where `low` is drawn.

  double At(double value) const {
    return left + kPlot * (value - low) / (high - low);
  }
};

// All that is drawn, zero, and some room.
Axis MakeAxis(const IntervalPlot& plot, double left) {
  Axis axis{0, 0, left};
  const auto include = [&](double value) {
    if (!std::isfinite(value)) return;
    axis.low = std::min(axis.low, value);
    axis.high = std::max(axis.high, value);
  };
  for (const IntervalRow& row : plot.rows) {
    for (const auto& value : {row.center, row.low, row.high}) {
      if (value.has_value()) include(*value);
    }
    for (const double value : row.values) include(value);
  }
  if (axis.low == axis.high) axis.high = 1;
  const double room = 0.05 * (axis.high - axis.low);
  axis.low -= room;
  axis.high += room;
  return axis;
}

std::string VerticalLine(double x, double y1, double y2,
                         const std::string& style) {
  return absl::StrFormat(
      "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" %s/>\n", x, x, y1,
      y2, style);
}

std::string AxisSvg(const IntervalPlot& plot, const Axis& axis, double bottom) {
  std::string svg;
  for (const double tick : Ticks(axis.low, axis.high)) {
    const double x = axis.At(tick);
    absl::StrAppend(
        &svg,
        VerticalLine(x, kTop, bottom,
                     tick == 0 ? "stroke=\"var(--ink)\" stroke-width=\"1.5\""
                               : "stroke=\"var(--line)\""),
        absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                        "text-anchor=\"middle\">%g</text>\n",
                        x, bottom + 16, tick == 0 ? 0 : tick));
  }
  absl::StrAppendFormat(&svg,
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                        "fill=\"var(--quiet)\">%s</text>\n",
                        axis.left + kPlot / 2, bottom + 36,
                        EscapeHtml(plot.title));
  return svg;
}

std::string Numbers(const IntervalRow& row) {
  if (!row.center.has_value()) return "no pairs yet";
  if (!std::isfinite(*row.center)) return "not a number";
  std::string text = absl::StrFormat("%+.4f", *row.center);
  if (row.low.has_value() && row.high.has_value()) {
    absl::StrAppendFormat(&text, " [%+.4f, %+.4f]", *row.low, *row.high);
  }
  return text;
}

std::string RowSvg(const IntervalRow& row, const Axis& axis, double y) {
  std::string svg = absl::StrFormat(
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n"
      "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n",
      axis.left - kGap, y + 4, EscapeHtml(row.label), axis.left + kPlot + kGap,
      y + 4, Numbers(row));
  if (row.low.has_value() && row.high.has_value() && std::isfinite(*row.low) &&
      std::isfinite(*row.high)) {
    absl::StrAppendFormat(
        &svg,
        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
        "stroke=\"var(--link)\" stroke-width=\"3\"/>\n",
        axis.At(*row.low), axis.At(*row.high), y, y);
    for (const double end : {*row.low, *row.high}) {
      absl::StrAppend(&svg, VerticalLine(axis.At(end), y - 5, y + 5,
                                         "stroke=\"var(--link)\" "
                                         "stroke-width=\"3\""));
    }
  }
  for (const double value : row.values) {
    if (!std::isfinite(value)) continue;
    absl::StrAppendFormat(&svg,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
                          "fill=\"none\" stroke=\"var(--quiet)\"/>\n",
                          axis.At(value), y + 9);
  }
  if (row.center.has_value() && std::isfinite(*row.center)) {
    absl::StrAppendFormat(
        &svg,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"var(--link)\"/>\n",
        axis.At(*row.center), y);
  }
  return svg;
}

}  // namespace

std::string IntervalPlotSvg(const IntervalPlot& plot) {
  size_t longest = 0;
  for (const IntervalRow& row : plot.rows) {
    longest = std::max(longest, row.label.size());
  }
  const double left = kGap + kCharacter * static_cast<double>(longest) + kGap;
  const double width = left + kPlot + kGap + kNumbers;
  const double bottom = kTop + kRow * static_cast<double>(plot.rows.size());
  const Axis axis = MakeAxis(plot, left);
  std::string svg = absl::StrFormat(
      "<svg role=\"img\" viewBox=\"0 0 %.0f %.0f\" width=\"100%%\" "
      "style=\"max-width: %.0fpx\" font-size=\"13\" fill=\"var(--ink)\">\n"
      "<title>%s</title>\n<desc>%s",
      width, bottom + kBottom, width, EscapeHtml(plot.title),
      EscapeHtml(plot.description));
  for (const IntervalRow& row : plot.rows) {
    absl::StrAppend(&svg, " ", EscapeHtml(row.label), ": ", Numbers(row), ".");
  }
  absl::StrAppend(&svg, "</desc>\n", AxisSvg(plot, axis, bottom));
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    absl::StrAppend(&svg, RowSvg(plot.rows[i], axis,
                                 kTop + kRow * (static_cast<double>(i) + 0.4)));
  }
  return svg + "</svg>\n";
}

}  // namespace cnn_fp4::viz
