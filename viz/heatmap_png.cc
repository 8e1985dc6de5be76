#include "viz/heatmap_png.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "viz/canvas.h"
#include "viz/color_scale.h"

namespace cnn_fp4::viz {
namespace {

// Everything in points.
constexpr double kMargin = 28.0;
constexpr double kHeader = 62.0;
constexpr double kPanelGapX = 34.0;
constexpr double kPanelGapY = 26.0;
constexpr double kPanelHead = 52.0;  // Title and two lines of description.
constexpr double kPanelFoot = 34.0;  // Steps and their axis title.
constexpr double kRowHeight = 14.0;
// More rows than this get thinner and are named one by one no longer.
constexpr double kMaxPlotHeight = 4000.0;
constexpr double kMinPlotHeight = 110.0;
constexpr double kMinPlotWidth = 320.0;
constexpr double kMaxPlotWidth = 640.0;
constexpr double kMaxLabelWidth = 170.0;
constexpr double kLabelGap = 6.0;
constexpr double kBarGap = 12.0;
constexpr double kBarWidth = 13.0;
constexpr double kBarLabels = 54.0;
constexpr double kMinLabelDistance = 12.0;

constexpr Rgb kFrame = {0x66, 0x66, 0x66};
constexpr Rgb kQuiet = {0x55, 0x55, 0x55};

const TextStyle kTitle = {17.0, true, {0x11, 0x11, 0x11}, Align::kLeft};
const TextStyle kSubtitle = {11.5, false, kQuiet, Align::kLeft};
const TextStyle kPanelTitle = {13.0, true, {0x11, 0x11, 0x11}, Align::kLeft};
const TextStyle kPanelText = {10.0, false, kQuiet, Align::kLeft};
const TextStyle kRowLabel = {10.5, false, {0x22, 0x22, 0x22}, Align::kRight};
const TextStyle kColumnLabel = {
    10.5, false, {0x22, 0x22, 0x22}, Align::kCenter};
const TextStyle kAxisTitle = {10.5, false, kQuiet, Align::kCenter};
const TextStyle kTickLabel = {10.5, false, {0x22, 0x22, 0x22}, Align::kLeft};

// One size for all panels of a sheet.
struct PanelSize {
  double labels;
  double plot_width;
  double plot_height;

  double width() const {
    return labels + kLabelGap + plot_width + kBarGap + kBarWidth + kBarLabels;
  }
  double height() const { return kPanelHead + plot_height + kPanelFoot; }
};

PanelSize MeasurePanels(const HeatmapSet& set) {
  PanelSize size = {30.0, kMinPlotWidth, kMinPlotHeight};
  for (const Heatmap& heatmap : set.statistics) {
    for (const std::string& row : heatmap.rows) {
      size.labels = std::max(size.labels, Canvas::TextWidth(row, kRowLabel));
    }
    size.plot_width = std::max(
        size.plot_width, 16.0 * static_cast<double>(heatmap.columns.size()));
    size.plot_height =
        std::max(size.plot_height,
                 kRowHeight * static_cast<double>(heatmap.rows.size()));
  }
  size.labels = std::min(size.labels, kMaxLabelWidth);
  size.plot_width = std::min(size.plot_width, kMaxPlotWidth);
  size.plot_height = std::min(size.plot_height, kMaxPlotHeight);
  return size;
}

// Rank of a value among those that share a pixel.
double Weight(const std::optional<double>& value) {
  if (!value.has_value()) return -1.0;
  if (std::isnan(*value)) return HUGE_VAL;
  return std::abs(*value);
}

// How many steps share one pixel column: 1 unless there are more steps than
// pixels.
size_t StepsPerColumn(const Heatmap& heatmap, double width) {
  const auto pixels = static_cast<size_t>(width * Canvas::kPixelsPerPoint);
  return (heatmap.columns.size() + pixels - 1) / pixels;
}

void DrawCells(const Heatmap& heatmap, const ColorScale& scale, double x,
               double y, const PanelSize& size, Canvas* canvas) {
  const size_t cols = heatmap.columns.size();
  const size_t group = StepsPerColumn(heatmap, size.plot_width);
  const double cell_width = size.plot_width / static_cast<double>(cols);
  const double cell_height =
      size.plot_height / static_cast<double>(heatmap.rows.size());
  for (size_t row = 0; row < heatmap.rows.size(); ++row) {
    const auto cells =
        heatmap.values.begin() + static_cast<std::ptrdiff_t>(row * cols);
    for (size_t col = 0; col < cols; col += group) {
      const size_t end = std::min(cols, col + group);
      const auto shown = std::max_element(
          cells + static_cast<std::ptrdiff_t>(col),
          cells + static_cast<std::ptrdiff_t>(end),
          [](const std::optional<double>& a, const std::optional<double>& b) {
            return Weight(a) < Weight(b);
          });
      canvas->FillRect(x + cell_width * static_cast<double>(col),
                       y + cell_height * static_cast<double>(row),
                       cell_width * static_cast<double>(end - col), cell_height,
                       scale.Color(*shown));
    }
  }
  canvas->StrokeRect(x, y, size.plot_width, size.plot_height, kFrame, 0.7);
}

void DrawRowLabels(const Heatmap& heatmap, double right, double y,
                   const PanelSize& size, Canvas* canvas) {
  const double cell =
      size.plot_height / static_cast<double>(heatmap.rows.size());
  const auto stride =
      static_cast<size_t>(std::max(1.0, std::ceil(kMinLabelDistance / cell)));
  for (size_t row = 0; row < heatmap.rows.size(); row += stride) {
    canvas->Text(right - kLabelGap, y + cell * (static_cast<double>(row) + 0.5),
                 Canvas::FitText(heatmap.rows[row], size.labels, kRowLabel),
                 kRowLabel);
  }
}

void DrawColumnLabels(const Heatmap& heatmap, double x, double y,
                      const PanelSize& size, Canvas* canvas) {
  const size_t cols = heatmap.columns.size();
  const double cell = size.plot_width / static_cast<double>(cols);
  double widest = 0.0;
  for (size_t col = 0; col < cols; ++col) {
    widest = std::max(widest,
                      Canvas::TextWidth(heatmap.ColumnName(col), kColumnLabel));
  }
  const auto stride =
      static_cast<size_t>(std::max(1.0, std::ceil((widest + 10.0) / cell)));
  for (size_t col = 0; col < cols; col += stride) {
    const double center = x + cell * (static_cast<double>(col) + 0.5);
    // The last one may not run into the colour bar's unit.
    if (center + widest / 2 > x + size.plot_width + kBarGap / 2) break;
    canvas->Line(center, y, center, y + 3.0, kFrame);
    canvas->Text(center, y + 10.5, heatmap.ColumnName(col), kColumnLabel);
  }
  std::string title = heatmap.column_title;
  if (const size_t group = StepsPerColumn(heatmap, size.plot_width);
      group > 1) {
    absl::StrAppend(&title, " (a column shows the largest of ", group, ")");
  }
  canvas->Text(x + size.plot_width / 2, y + 25.0, title, kAxisTitle);
}

void DrawColorBar(const Heatmap& heatmap, const ColorScale& scale, double x,
                  double y, double height, Canvas* canvas) {
  if (!scale.has_range()) {
    canvas->Text(x, y + 6.0, "no finite", kTickLabel);
    canvas->Text(x, y + 20.0, "value", kTickLabel);
    return;
  }
  // One band a pixel.
  const double band = 1.0 / Canvas::kPixelsPerPoint;
  const int bands = static_cast<int>(std::ceil(height / band));
  for (int i = 0; i < bands; ++i) {
    const double at = i * band;
    canvas->FillRect(x, y + at, kBarWidth, std::min(band, height - at),
                     scale.ColorAt(1.0 - (at + band / 2) / height));
  }
  canvas->StrokeRect(x, y, kBarWidth, height, kFrame, 0.7);
  for (const Tick& tick : scale.Ticks()) {
    const double at = y + height * (1.0 - tick.position);
    canvas->Line(x + kBarWidth, at, x + kBarWidth + 3.0, at, kFrame);
    canvas->Text(x + kBarWidth + 5.5, at, tick.label, kTickLabel);
  }
  std::string note = heatmap.unit;
  if (scale.is_log()) absl::StrAppend(&note, note.empty() ? "" : ", ", "log");
  TextStyle style = kAxisTitle;
  style.align = Align::kLeft;
  canvas->Text(x, y + height + 10.5, note, style);
}

// `text`, or as many of its first words as fit with an ellipsis behind them.
std::string FirstWords(const std::string& text, double width) {
  std::string words = text;
  for (size_t end = text.size();
       Canvas::TextWidth(words, kPanelText) > width;) {
    end = text.rfind(' ', end - 1);
    if (end == std::string::npos || end == 0) {
      return Canvas::FitText(text, width, kPanelText);
    }
    words = absl::StrCat(text.substr(0, end), " …");
  }
  return words;
}

// At most two lines; the second ends with an ellipsis when the text is longer.
std::vector<std::string> WrapText(const std::string& text, double width) {
  if (text.empty()) return {};
  if (Canvas::TextWidth(text, kPanelText) <= width) return {text};
  size_t cut = 0;
  for (size_t blank = text.find(' '); blank != std::string::npos;
       blank = text.find(' ', blank + 1)) {
    if (Canvas::TextWidth(text.substr(0, blank), kPanelText) > width) break;
    cut = blank;
  }
  // A first word that fills more than a line.
  if (cut == 0) return {Canvas::FitText(text, width, kPanelText)};
  return {text.substr(0, cut), FirstWords(text.substr(cut + 1), width)};
}

void DrawPanel(const Heatmap& heatmap, double x, double y,
               const PanelSize& size, Canvas* canvas) {
  const ColorScale scale(heatmap);
  const double plot_x = x + size.labels + kLabelGap;
  const double plot_y = y + kPanelHead;
  const double room = size.plot_width + kBarGap + kBarWidth + kBarLabels;
  std::string title = heatmap.title.empty() ? heatmap.statistic : heatmap.title;
  if (!heatmap.unit.empty()) absl::StrAppend(&title, " [", heatmap.unit, "]");
  canvas->Text(plot_x, y + 10.0, Canvas::FitText(title, room, kPanelTitle),
               kPanelTitle);
  double line_y = y + 27.0;
  for (const std::string& line : WrapText(heatmap.description, room)) {
    canvas->Text(plot_x, line_y, line, kPanelText);
    line_y += 12.5;
  }
  DrawCells(heatmap, scale, plot_x, plot_y, size, canvas);
  DrawRowLabels(heatmap, plot_x, plot_y, size, canvas);
  DrawColumnLabels(heatmap, plot_x, plot_y + size.plot_height, size, canvas);
  DrawColorBar(heatmap, scale, plot_x + size.plot_width + kBarGap, plot_y,
               size.plot_height, canvas);
}

// Right-aligned swatches of the reserved colours.
void DrawLegend(double right, double y, Canvas* canvas) {
  struct Entry {
    const char* name;
    Rgb color;
  };
  constexpr Entry kEntries[] = {{"not measured", kMissingColor},
                                {"-Infinity", kNegativeInfColor},
                                {"+Infinity", kPositiveInfColor},
                                {"NaN", kNanColor}};
  const TextStyle style = {11.0, false, {0x22, 0x22, 0x22}, Align::kLeft};
  for (const Entry& entry : kEntries) {
    right -= Canvas::TextWidth(entry.name, style);
    canvas->Text(right, y, entry.name, style);
    right -= 19.0;
    canvas->FillRect(right, y - 6.5, 13.0, 13.0, entry.color);
    canvas->StrokeRect(right, y - 6.5, 13.0, 13.0, kFrame, 0.7);
    right -= 16.0;
  }
}

std::string JoinNonEmpty(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : "  ·  ", part);
  }
  return joined;
}

// "12 layers  ·  steps 1 to 40".
std::string Extent(const Heatmap& heatmap) {
  const size_t rows = heatmap.rows.size();
  const size_t columns = heatmap.columns.size();
  return JoinNonEmpty(
      {absl::StrCat(rows, " ", heatmap.row_title, rows == 1 ? "" : "s"),
       columns == 1
           ? absl::StrCat(heatmap.column_title, " ", heatmap.ColumnName(0))
           : absl::StrCat(heatmap.column_title, "s ", heatmap.ColumnName(0),
                          " to ", heatmap.ColumnName(columns - 1))});
}

size_t PanelsAcross(size_t panels) {
  if (panels >= 5) return 3;
  return panels >= 2 ? 2 : 1;
}

}  // namespace

absl::Status WriteHeatmapPng(const HeatmapSet& set, absl::string_view path) {
  const size_t across = PanelsAcross(set.statistics.size());
  const size_t down = (set.statistics.size() + across - 1) / across;
  PanelSize size = MeasurePanels(set);
  // cairo draws no taller: very deep networks with many statistics get thinner
  // rows.
  const double room = 21000.0 / static_cast<double>(down) - kPanelHead -
                      kPanelFoot - kPanelGapY;
  size.plot_height = std::min(size.plot_height, std::max(room, 20.0));
  // The header needs the room of a panel and a half.
  const double width =
      std::max(2 * kMargin + static_cast<double>(across) * size.width() +
                   static_cast<double>(across - 1) * kPanelGapX,
               760.0);
  const double height =
      kMargin + kHeader +
      static_cast<double>(down) * (size.height() + kPanelGapY);
  Canvas canvas(width, height);

  canvas.Text(kMargin, kMargin + 6.0,
              Canvas::FitText(JoinNonEmpty({set.model, set.tensor}),
                              width - 2 * kMargin, kTitle),
              kTitle);
  const std::string subtitle =
      JoinNonEmpty({set.experiment, set.task, Extent(set.statistics.front())});
  canvas.Text(kMargin, kMargin + 29.0,
              Canvas::FitText(subtitle, width - 2 * kMargin - 360.0, kSubtitle),
              kSubtitle);
  DrawLegend(width - kMargin, kMargin + 29.0, &canvas);

  for (size_t i = 0; i < set.statistics.size(); ++i) {
    const size_t column = i % across;
    const size_t row = i / across;
    DrawPanel(
        set.statistics[i],
        kMargin + static_cast<double>(column) * (size.width() + kPanelGapX),
        kMargin + kHeader +
            static_cast<double>(row) * (size.height() + kPanelGapY),
        size, &canvas);
  }
  return canvas.WritePng(path);
}

}  // namespace cnn_fp4::viz
