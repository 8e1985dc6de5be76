#ifndef VIZ_OVERLAY_H_
#define VIZ_OVERLAY_H_

// A sheet of validation images: one row an image, with columns image, truth and
// the prediction of each model, classes filled translucently with their
// outlines drawn, and the IoU under each prediction.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "viz/colormap.h"

namespace cnn_fp4::viz {

// [height, width, 3] RGB, 8 bits.
struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;
};

// [height, width] class indices; 0 is the background. Negative values and
// values without a ClassStyle (255, say) are pixels that are not judged.
struct ClassMask {
  int width = 0;
  int height = 0;
  std::vector<int32_t> classes;
};

struct OverlayPrediction {
  std::string label;  // "nvfp4"
  ClassMask mask;
};

struct OverlayRow {
  std::string name;  // "val/0a7d30b2.png"
  RgbImage image;
  ClassMask truth;
  std::vector<OverlayPrediction> predictions;  // Same labels in each row.
};

struct ClassStyle {
  std::string name;
  Rgb color;
};

// A style for each name, index 0 the background; colours that stay apart on
// grey and stained tissue and for colour-blind readers (Okabe and Ito's eight,
// then evenly spread hues).
std::vector<ClassStyle> DefaultClassStyles(absl::Span<const std::string> names);

// The image with the classes of the mask filled translucently and outlined; the
// background is left as it is. Sizes must agree (CHECK).
RgbImage DrawOverlay(const RgbImage& image, const ClassMask& mask,
                     absl::Span<const ClassStyle> classes);

// IoU of one class for two-class masks; else the mean over the classes 1.. that
// truth or prediction contains. NaN when there is none. Pixels that the truth
// leaves unjudged do not count. Sizes must agree (CHECK).
double ForegroundIou(const ClassMask& truth, const ClassMask& prediction,
                     int num_classes);

// PNG, written to a temporary name and renamed. InvalidArgument naming the row
// for sizes that do not fit together, rows of different labels, or no rows.
absl::Status WriteOverlaySheet(absl::Span<const OverlayRow> rows,
                               absl::Span<const ClassStyle> classes,
                               absl::string_view path);

}  // namespace cnn_fp4::viz

#endif  // VIZ_OVERLAY_H_
