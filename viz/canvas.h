#ifndef VIZ_CANVAS_H_
#define VIZ_CANVAS_H_

// A white sheet to draw on and save as PNG: what our pictures need of cairo.
// Lengths are in points; the PNG has kPixelsPerPoint as many pixels. y grows
// downwards.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "viz/colormap.h"

// As in cairo.h, which stays out of this header.
// NOLINTNEXTLINE(modernize-use-using, bugprone-reserved-identifier)
typedef struct _cairo cairo_t;

namespace cnn_fp4::viz {

// Which point of the text lies at (x, y); vertically it is always the middle.
enum class Align { kLeft, kCenter, kRight };

struct TextStyle {
  double size = 11.0;
  bool bold = false;
  Rgb color = {0x22, 0x22, 0x22};
  Align align = Align::kLeft;
};

class Canvas {
 public:
  static constexpr double kPixelsPerPoint = 1.5;

  // Sizes up to cairo's 32767 pixels; larger is a bug (CHECK).
  Canvas(double width, double height);
  ~Canvas();

  // Axis-aligned, edges rounded to whole pixels, so that neighbours touch.
  void FillRect(double x, double y, double width, double height, Rgb color);
  // A line of `thickness` inside the edge.
  void StrokeRect(double x, double y, double width, double height, Rgb color,
                  double thickness = 1.0);
  // Horizontal or vertical.
  void Line(double x0, double y0, double x1, double y1, Rgb color);
  // DejaVu Sans, or what the system has in its place.
  void Text(double x, double y, absl::string_view text,
            const TextStyle& style = {});
  // [height, width, 3] RGB pixels scaled into the rectangle. Magnified pixels
  // stay squares.
  void Image(double x, double y, double width, double height,
             const uint8_t* rgb, int image_width, int image_height);

  // Does not need a sheet.
  static double TextWidth(absl::string_view text, const TextStyle& style = {});
  // Shortened in the middle to fit.
  static std::string FitText(absl::string_view text, double width,
                             const TextStyle& style = {});

  // Written to a temporary name and renamed.
  absl::Status WritePng(absl::string_view path) const;

 private:
  cairo_t* cairo_;
};

}  // namespace cnn_fp4::viz

#endif  // VIZ_CANVAS_H_
