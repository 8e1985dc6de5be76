#include "viz/overlay.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "viz/canvas.h"

namespace cnn_fp4::viz {
namespace {

// Points.
constexpr double kMargin = 22.0;
constexpr double kHead = 30.0;     // Column headings.
constexpr double kCaption = 20.0;  // Under each picture.
constexpr double kGapX = 10.0;
constexpr double kGapY = 12.0;
constexpr double kLegend = 34.0;
constexpr double kCell = 250.0;  // Longer side of a picture.

// Enough to see the class, little enough to see the tissue.
constexpr double kFill = 0.38;

// Okabe and Ito, "Color Universal Design", 2008; grey in place of black, which
// is the background.
constexpr Rgb kOkabeIto[] = {
    {0x99, 0x99, 0x99}, {0xe6, 0x9f, 0x00}, {0x56, 0xb4, 0xe9},
    {0x00, 0x9e, 0x73}, {0xf0, 0xe4, 0x42}, {0x00, 0x72, 0xb2},
    {0xd5, 0x5e, 0x00}, {0xcc, 0x79, 0xa7},
};
constexpr Rgb kUnjudged = {0x60, 0x60, 0x60};

const TextStyle kHeading = {13.0, true, {0x11, 0x11, 0x11}, Align::kCenter};
const TextStyle kCaptionText = {
    11.0, false, {0x33, 0x33, 0x33}, Align::kCenter};
const TextStyle kLegendText = {11.5, false, {0x22, 0x22, 0x22}, Align::kLeft};

// Hues a golden angle apart, for classes beyond the palette.
Rgb ExtraColor(size_t index) {
  const double hue =
      std::fmod(static_cast<double>(index) * 137.508, 360.0) / 60;
  const auto channel = [&](double offset) {
    const double k = std::fmod(hue + offset, 6.0);
    const double ramp = std::clamp(std::min(k, 4.0 - k), 0.0, 1.0);
    return static_cast<uint8_t>(std::lround(225.0 * (1.0 - 0.75 * ramp)));
  };
  return {channel(5.0), channel(3.0), channel(1.0)};
}

uint8_t Blend(uint8_t below, uint8_t above, double share) {
  return static_cast<uint8_t>(std::lround(below + share * (above - below)));
}

bool IsJudged(int32_t value, int num_classes) {
  return value >= 0 && value < num_classes;
}

bool Fits(const RgbImage& image, const ClassMask& mask) {
  return mask.width == image.width && mask.height == image.height &&
         mask.classes.size() == static_cast<size_t>(image.width) *
                                    static_cast<size_t>(image.height);
}

absl::Status Validate(absl::Span<const OverlayRow> rows) {
  if (rows.empty()) {
    return absl::InvalidArgumentError("overlay sheet: no images");
  }
  for (const OverlayRow& row : rows) {
    const auto error = [&](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat("overlay of ", row.name, ": ", what));
    };
    const RgbImage& image = row.image;
    if (image.width <= 0 || image.height <= 0 ||
        image.pixels.size() != 3 * static_cast<size_t>(image.width) *
                                   static_cast<size_t>(image.height)) {
      return error("width, height and pixels do not fit together");
    }
    if (!Fits(image, row.truth)) {
      return error("the truth has another size than the image");
    }
    if (row.predictions.size() != rows.front().predictions.size()) {
      return error("another number of predictions than the first row");
    }
    for (size_t i = 0; i < row.predictions.size(); ++i) {
      const OverlayPrediction& prediction = row.predictions[i];
      if (!Fits(image, prediction.mask)) {
        return error(absl::StrCat("the prediction of ", prediction.label,
                                  " has another size than the image"));
      }
      if (prediction.label != rows.front().predictions[i].label) {
        return error(absl::StrCat("prediction ", prediction.label,
                                  " where the ", "first row has ",
                                  rows.front().predictions[i].label));
      }
    }
  }
  return absl::OkStatus();
}

// Height of a row's pictures when the longer side is kCell.
double PictureHeight(const RgbImage& image) {
  return kCell * std::min(1.0, static_cast<double>(image.height) / image.width);
}

void DrawPicture(const RgbImage& image, double x, double y,
                 const std::string& caption, Canvas* canvas) {
  const double height = PictureHeight(image);
  const double width = height * image.width / image.height;
  canvas->Image(x + (kCell - width) / 2, y, width, height, image.pixels.data(),
                image.width, image.height);
  canvas->Text(x + kCell / 2, y + height + 11.0,
               Canvas::FitText(caption, kCell, kCaptionText), kCaptionText);
}

void DrawLegend(absl::Span<const ClassStyle> classes, double y, double width,
                Canvas* canvas) {
  double x = kMargin;
  const auto add = [&](const std::string& name, Rgb color) {
    const double needed = 19.0 + Canvas::TextWidth(name, kLegendText) + 18.0;
    if (x + needed > width) return;
    canvas->FillRect(x, y - 6.5, 13.0, 13.0, color);
    canvas->StrokeRect(x, y - 6.5, 13.0, 13.0, {0x55, 0x55, 0x55}, 0.7);
    canvas->Text(x + 19.0, y, name, kLegendText);
    x += needed;
  };
  for (size_t i = 1; i < classes.size(); ++i) {
    add(classes[i].name, classes[i].color);
  }
  add("not judged", kUnjudged);
}

}  // namespace

std::vector<ClassStyle> DefaultClassStyles(
    absl::Span<const std::string> names) {
  std::vector<ClassStyle> styles;
  for (size_t i = 0; i < names.size(); ++i) {
    styles.push_back(
        {names[i], i < std::size(kOkabeIto) ? kOkabeIto[i] : ExtraColor(i)});
  }
  return styles;
}

// An outline is drawn as pixels of the image, those of a class near another;
// more of them when a sheet shows the image smaller.
RgbImage DrawOverlay(const RgbImage& image, const ClassMask& mask,
                     absl::Span<const ClassStyle> classes) {
  CHECK(Fits(image, mask)) << image.width << " x " << image.height;
  RgbImage out = image;
  const int num_classes = static_cast<int>(classes.size());
  const auto at = [&](int x, int y) {
    return mask
        .classes[static_cast<size_t>(y) * static_cast<size_t>(mask.width) +
                 static_cast<size_t>(x)];
  };
  const int thickness = std::max(
      1, static_cast<int>(std::lround(std::max(image.width, image.height) /
                                      (kCell * Canvas::kPixelsPerPoint))));
  const auto is_edge = [&](int x, int y) {
    const int32_t value = at(x, y);
    for (int d = 1; d <= thickness; ++d) {
      if ((x >= d && at(x - d, y) != value) ||
          (y >= d && at(x, y - d) != value) ||
          (x + d < mask.width && at(x + d, y) != value) ||
          (y + d < mask.height && at(x, y + d) != value)) {
        return true;
      }
    }
    return false;
  };
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      const int32_t value = at(x, y);
      if (value == 0) continue;
      const Rgb color = IsJudged(value, num_classes)
                            ? classes[static_cast<size_t>(value)].color
                            : kUnjudged;
      uint8_t* pixel =
          out.pixels.data() +
          3 * (static_cast<size_t>(y) * static_cast<size_t>(mask.width) +
               static_cast<size_t>(x));
      const double share = is_edge(x, y) ? 1.0 : kFill;
      pixel[0] = Blend(pixel[0], color.r, share);
      pixel[1] = Blend(pixel[1], color.g, share);
      pixel[2] = Blend(pixel[2], color.b, share);
    }
  }
  return out;
}

double ForegroundIou(const ClassMask& truth, const ClassMask& prediction,
                     int num_classes) {
  CHECK_EQ(truth.classes.size(), prediction.classes.size());
  std::vector<int64_t> both(static_cast<size_t>(std::max(num_classes, 1)));
  std::vector<int64_t> either(both.size());
  for (size_t i = 0; i < truth.classes.size(); ++i) {
    const int32_t t = truth.classes[i];
    const int32_t p = prediction.classes[i];
    if (!IsJudged(t, num_classes)) continue;
    ++either[static_cast<size_t>(t)];
    if (p == t) {
      ++both[static_cast<size_t>(t)];
    } else if (IsJudged(p, num_classes)) {
      ++either[static_cast<size_t>(p)];
    }
  }
  double sum = 0.0;
  int present = 0;
  for (size_t c = 1; c < both.size(); ++c) {
    if (either[c] == 0) continue;
    sum += static_cast<double>(both[c]) / static_cast<double>(either[c]);
    ++present;
  }
  return present == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : sum / present;
}

absl::Status WriteOverlaySheet(absl::Span<const OverlayRow> rows,
                               absl::Span<const ClassStyle> classes,
                               absl::string_view path) {
  const absl::Status status = Validate(rows);
  if (!status.ok()) return status;
  const size_t columns = 2 + rows.front().predictions.size();
  const double width = 2 * kMargin + static_cast<double>(columns) * kCell +
                       static_cast<double>(columns - 1) * kGapX;
  double height = kMargin + kHead + kLegend;
  for (const OverlayRow& row : rows) {
    height += PictureHeight(row.image) + kCaption + kGapY;
  }
  if (height * Canvas::kPixelsPerPoint > 32000.0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", rows.size(), " images are too many for one sheet"));
  }
  Canvas canvas(width, height);
  const auto column_x = [](size_t column) {
    return kMargin + static_cast<double>(column) * (kCell + kGapX);
  };
  const double heading_y = kMargin + 6.0;
  canvas.Text(column_x(0) + kCell / 2, heading_y, "image", kHeading);
  canvas.Text(column_x(1) + kCell / 2, heading_y, "truth", kHeading);
  for (size_t i = 0; i + 2 < columns; ++i) {
    canvas.Text(
        column_x(i + 2) + kCell / 2, heading_y,
        Canvas::FitText(rows.front().predictions[i].label, kCell, kHeading),
        kHeading);
  }
  double y = kMargin + kHead;
  const int num_classes = static_cast<int>(classes.size());
  for (const OverlayRow& row : rows) {
    DrawPicture(
        row.image, column_x(0), y,
        absl::StrCat(row.name, "  ", row.image.width, " x ", row.image.height),
        &canvas);
    DrawPicture(DrawOverlay(row.image, row.truth, classes), column_x(1), y, "",
                &canvas);
    for (size_t i = 0; i < row.predictions.size(); ++i) {
      const ClassMask& mask = row.predictions[i].mask;
      const double iou = ForegroundIou(row.truth, mask, num_classes);
      DrawPicture(
          DrawOverlay(row.image, mask, classes), column_x(i + 2), y,
          std::isnan(iou)
              ? "no foreground"
              : absl::StrFormat("%s %.3f", num_classes > 2 ? "mean IoU" : "IoU",
                                iou),
          &canvas);
    }
    y += PictureHeight(row.image) + kCaption + kGapY;
  }
  DrawLegend(classes, height - kLegend / 2, width - kMargin, &canvas);
  return canvas.WritePng(path);
}

}  // namespace cnn_fp4::viz
