#include "viz/matrix_plot.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "viz/colormap.h"
#include "viz/html_text.h"

namespace cnn_fp4::viz {
namespace {

// In user units, which are pixels where the page is wide enough.
constexpr double kCellWidth = 30;
constexpr double kCellHeight = 20;
constexpr double kCharacter = 7.4;
constexpr double kTop = 6;
constexpr double kColumnLabels = 22;
constexpr double kScale = 40;  // Below the matrix: its bar and its numbers.
constexpr int kScaleSteps = 48;
constexpr double kScaleWidth = 240;

std::string Rect(double x, double y, double width, double height,
                 const std::string& color, const std::string& title) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
      "fill=\"%s\">%s</rect>\n",
      x, y, width, height, color,
      title.empty() ? ""
                    : absl::StrCat("<title>", EscapeHtml(title), "</title>"));
}

std::string Text(double x, double y, const char* anchor,
                 const std::string& text) {
  return absl::StrFormat(
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s"
      "</text>\n",
      x, y, anchor, EscapeHtml(text));
}

std::string Percent(double share) {
  return absl::StrFormat("%.3g %%", 100 * share);
}

std::string ScaleSvg(double left, double top, double largest) {
  std::string svg;
  const double width = kScaleWidth / kScaleSteps;
  for (int i = 0; i < kScaleSteps; ++i) {
    absl::StrAppend(
        &svg,
        Rect(left + i * width, top, width + 0.5, 10,
             ToHex(Colormap(ColormapId::kViridis, (i + 0.5) / kScaleSteps)),
             ""));
  }
  return absl::StrCat(
      svg, Text(left, top + 24, "start", "0"),
      Text(left + kScaleWidth, top + 24, "end", Percent(largest)));
}

}  // namespace

std::string MatrixPlotSvg(const MatrixPlot& plot) {
  CHECK_EQ(plot.shares.size(), plot.rows.size() * plot.columns.size());
  double largest = 0;
  for (const auto& share : plot.shares) {
    largest = std::max(largest, share.value_or(0));
  }
  size_t characters = 0;
  for (const std::string& row : plot.rows) {
    characters = std::max(characters, row.size());
  }
  const double left = kCharacter * static_cast<double>(characters) + 12;
  const double bottom =
      kTop + kCellHeight * static_cast<double>(plot.rows.size());
  const double width =
      std::max(left + kCellWidth * static_cast<double>(plot.columns.size()),
               left + kScaleWidth) +
      6;
  const double height = bottom + kColumnLabels + kScale;
  std::string svg = absl::StrFormat(
      "<svg role=\"img\" class=\"matrix-plot\" viewBox=\"0 0 %.0f %.0f\" "
      "width=\"100%%\" style=\"max-width: %.0fpx\" font-size=\"12\" "
      "fill=\"var(--ink)\">\n<title>%s</title>\n",
      width, height, width, EscapeHtml(plot.title));
  for (size_t r = 0; r < plot.rows.size(); ++r) {
    const double y = kTop + kCellHeight * static_cast<double>(r);
    absl::StrAppend(&svg,
                    Text(left - 8, y + kCellHeight - 6, "end", plot.rows[r]));
    for (size_t c = 0; c < plot.columns.size(); ++c) {
      const auto& share = plot.shares[r * plot.columns.size() + c];
      const std::string value =
          share.has_value() ? Percent(*share) : "not measured";
      absl::StrAppend(
          &svg,
          Rect(left + kCellWidth * static_cast<double>(c), y, kCellWidth - 1,
               kCellHeight - 1,
               ToHex(share.has_value()
                         ? Colormap(ColormapId::kViridis,
                                    largest > 0 ? *share / largest : 0)
                         : kMissingColor),
               absl::StrCat(plot.rows[r], ", ", plot.columns[c], ": ", value)));
    }
  }
  for (size_t c = 0; c < plot.columns.size(); ++c) {
    absl::StrAppend(&svg,
                    Text(left + kCellWidth * (static_cast<double>(c) + 0.5),
                         bottom + 14, "middle", plot.columns[c]));
  }
  return absl::StrCat(svg, ScaleSvg(left, bottom + kColumnLabels + 4, largest),
                      "</svg>\n");
}

}  // namespace cnn_fp4::viz
