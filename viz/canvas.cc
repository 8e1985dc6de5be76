#include "viz/canvas.h"

#include <cairo.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "glog/logging.h"

namespace cnn_fp4::viz {
namespace {

constexpr double kMaxPixels = 32767.0;
constexpr char kFont[] = "DejaVu Sans";

void SetColor(cairo_t* cairo, Rgb color) {
  cairo_set_source_rgb(cairo, color.r / 255.0, color.g / 255.0,
                       color.b / 255.0);
}

void SetFont(cairo_t* cairo, const TextStyle& style) {
  cairo_select_font_face(
      cairo, kFont, CAIRO_FONT_SLANT_NORMAL,
      style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, style.size);
}

cairo_t* NewContext(double width, double height) {
  const double scale = Canvas::kPixelsPerPoint;
  CHECK(width > 0 && width * scale <= kMaxPixels && height > 0 &&
        height * scale <= kMaxPixels)
      << "sheet of " << width << " x " << height << " points";
  cairo_surface_t* surface = cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width * scale)),
      static_cast<int>(std::ceil(height * scale)));
  cairo_t* cairo = cairo_create(surface);
  // The context keeps it alive.
  cairo_surface_destroy(surface);
  CHECK_EQ(cairo_status(cairo), CAIRO_STATUS_SUCCESS)
      << cairo_status_to_string(cairo_status(cairo));
  cairo_scale(cairo, scale, scale);
  // Grey antialiasing: a picture is looked at on other screens than this one's.
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
  cairo_set_font_options(cairo, options);
  cairo_font_options_destroy(options);
  return cairo;
}

double Snap(double v) {
  return std::round(v * Canvas::kPixelsPerPoint) / Canvas::kPixelsPerPoint;
}

cairo_status_t Append(void* closure, const unsigned char* data,
                      unsigned int length) {
  static_cast<std::string*>(closure)->append(
      reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

// cairo stops drawing for good at the first text that is no UTF-8.
std::string ValidUtf8(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80             ? 1
                          : (lead & 0xe0) == 0xc0 ? 2
                          : (lead & 0xf0) == 0xe0 ? 3
                          : (lead & 0xf8) == 0xf0 ? 4
                                                  : 0;
    bool good = length > 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; ++k) {
      good = (text[i + k] & 0xc0) == 0x80;
    }
    if (good) {
      absl::StrAppend(&out, text.substr(i, length));
      i += length;
    } else {
      out += "?";
      ++i;
    }
  }
  return out;
}

}  // namespace

Canvas::Canvas(double width, double height)
    : cairo_(NewContext(width, height)) {
  cairo_set_source_rgb(cairo_, 1, 1, 1);
  cairo_paint(cairo_);
}

Canvas::~Canvas() { cairo_destroy(cairo_); }

void Canvas::FillRect(double x, double y, double width, double height,
                      Rgb color) {
  SetColor(cairo_, color);
  const double left = Snap(x);
  const double top = Snap(y);
  cairo_rectangle(cairo_, left, top, Snap(x + width) - left,
                  Snap(y + height) - top);
  cairo_fill(cairo_);
}

void Canvas::StrokeRect(double x, double y, double width, double height,
                        Rgb color, double thickness) {
  SetColor(cairo_, color);
  cairo_set_line_width(cairo_, thickness);
  cairo_rectangle(cairo_, x + thickness / 2, y + thickness / 2,
                  width - thickness, height - thickness);
  cairo_stroke(cairo_);
}

void Canvas::Line(double x0, double y0, double x1, double y1, Rgb color) {
  SetColor(cairo_, color);
  cairo_set_line_width(cairo_, 1.0 / kPixelsPerPoint);
  // The middle of a pixel: a sharp line.
  const double half = 0.5 / kPixelsPerPoint;
  cairo_move_to(cairo_, Snap(x0) + half, Snap(y0) + half);
  cairo_line_to(cairo_, Snap(x1) + half, Snap(y1) + half);
  cairo_stroke(cairo_);
}

void Canvas::Text(double x, double y, absl::string_view text,
                  const TextStyle& style) {
  const std::string valid = ValidUtf8(text);
  SetFont(cairo_, style);
  SetColor(cairo_, style.color);
  cairo_text_extents_t extents;
  cairo_text_extents(cairo_, valid.c_str(), &extents);
  double left = x;
  if (style.align == Align::kCenter) left -= extents.x_advance / 2;
  if (style.align == Align::kRight) left -= extents.x_advance;
  // Half the height of capitals and digits, the same for every text.
  cairo_move_to(cairo_, left, y + 0.365 * style.size);
  cairo_show_text(cairo_, valid.c_str());
}

void Canvas::Image(double x, double y, double width, double height,
                   const uint8_t* rgb, int image_width, int image_height) {
  const int stride =
      cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, image_width);
  std::vector<uint32_t> pixels(static_cast<size_t>(stride) / 4 *
                               static_cast<size_t>(image_height));
  for (int row = 0; row < image_height; ++row) {
    uint32_t* out = pixels.data() + static_cast<size_t>(row) *
                                        (static_cast<size_t>(stride) / 4);
    for (int col = 0; col < image_width; ++col, rgb += 3) {
      out[col] = static_cast<uint32_t>(rgb[0]) << 16 |
                 static_cast<uint32_t>(rgb[1]) << 8 | rgb[2];
    }
  }
  cairo_surface_t* surface = cairo_image_surface_create_for_data(
      reinterpret_cast<unsigned char*>(pixels.data()), CAIRO_FORMAT_RGB24,
      image_width, image_height, stride);
  cairo_save(cairo_);
  const double left = Snap(x);
  const double top = Snap(y);
  const double scale_x = (Snap(x + width) - left) / image_width;
  const double scale_y = (Snap(y + height) - top) / image_height;
  cairo_translate(cairo_, left, top);
  cairo_scale(cairo_, scale_x, scale_y);
  cairo_set_source_surface(cairo_, surface, 0, 0);
  cairo_pattern_t* pattern = cairo_get_source(cairo_);
  cairo_pattern_set_filter(pattern, scale_x * kPixelsPerPoint >= 1.0
                                        ? CAIRO_FILTER_NEAREST
                                        : CAIRO_FILTER_GOOD);
  // Not to fade into nothing at the edges.
  cairo_pattern_set_extend(pattern, CAIRO_EXTEND_PAD);
  cairo_rectangle(cairo_, 0, 0, image_width, image_height);
  cairo_fill(cairo_);
  cairo_restore(cairo_);
  cairo_surface_destroy(surface);
}

double Canvas::TextWidth(absl::string_view text, const TextStyle& style) {
  static cairo_t* const scratch = NewContext(1, 1);
  SetFont(scratch, style);
  cairo_text_extents_t extents;
  cairo_text_extents(scratch, ValidUtf8(text).c_str(), &extents);
  return extents.x_advance;
}

std::string Canvas::FitText(absl::string_view text, double width,
                            const TextStyle& style) {
  std::string fitted = ValidUtf8(text);
  if (TextWidth(fitted, style) <= width) return fitted;
  // One code point less at a time, from the middle.
  std::vector<std::string> points;
  for (const char c : fitted) {
    if ((c & 0xc0) != 0x80) points.emplace_back();
    points.back() += c;
  }
  while (points.size() > 2) {
    points.erase(points.begin() +
                 static_cast<std::ptrdiff_t>(points.size() / 2));
    fitted.clear();
    for (size_t i = 0; i < points.size(); ++i) {
      fitted += points[i];
      if (i == points.size() / 2 - 1) fitted += "…";
    }
    if (TextWidth(fitted, style) <= width) break;
  }
  return fitted;
}

absl::Status Canvas::WritePng(absl::string_view path) const {
  std::string png;
  const cairo_status_t status =
      cairo_surface_write_to_png_stream(cairo_get_target(cairo_), Append, &png);
  if (status != CAIRO_STATUS_SUCCESS) {
    return absl::InternalError(
        absl::StrCat("drawing ", path, ": ", cairo_status_to_string(status)));
  }
  return base::WriteFileAtomically(path, png);
}

}  // namespace cnn_fp4::viz
