#ifndef DATA_MASK_VALUES_H_
#define DATA_MASK_VALUES_H_

// Which values a mask file has and how often: all that has to be known of the
// masks of a data set before it is decided what the values mean (mask_rule.h),
// and afterwards to tell the share of each class.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/image.h"

namespace cnn_fp4::data {

struct MaskValues {
  std::string path;                                  // Of the mask.
  std::vector<std::pair<uint16_t, int64_t>> counts;  // Ascending, none is 0.
  uint64_t digest = 0;     // Of all values in order, and the size.
  bool is_turned = false;  // As EXIF says; so its image.
  bool image_is_turned = false;
  // The image is turned, the mask is not, and their sizes are no proof that the
  // mask was made for the turned image.
  bool is_doubtful = false;
};

MaskValues CountValues(const std::string& path, const LabelMap& labels);

// From the values of a mask file to classes.
struct MaskRule {
  enum class Kind {
    kIndices,  // A value is its class.
    kBinary,   // 0 is the background, any other value is `foreground`.
  };
  Kind kind = Kind::kIndices;
  int ignore_value = -1;  // Becomes kIgnore. -1: none.
  uint8_t foreground = 1;

  // The class, kIgnore, or a number that is no class of the data set.
  int ClassOf(int value) const {
    if (value == ignore_value) return kIgnore;
    if (kind == Kind::kIndices) return value < kIgnore ? value : value + 1;
    return value == 0 ? 0 : foreground;
  }
};

// Pixels of the masks of a split.
struct ClassCounts {
  std::vector<int64_t> pixels;  // By class.
  int64_t ignored = 0;
  int64_t images = 0;
  int64_t images_ignored = 0;  // Without any pixel that counts.
  std::string first_ignored;   // The path of the first of them.
  int64_t images_turned = 0;   // By EXIF, and so the masks.
  int64_t masks_turned = 0;
  std::vector<std::string> doubtful;  // Masks, see MaskValues.

  // Of an image of `mask`, whose values are all classes or ignored under
  // `rule`. The size of `pixels` is the number of classes.
  void Add(const MaskValues& mask, const MaskRule& rule);
};

}  // namespace cnn_fp4::data

#endif  // DATA_MASK_VALUES_H_
