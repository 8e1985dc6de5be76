#ifndef DATA_IMAGE_H_
#define DATA_IMAGE_H_

// A decoded image and a decoded mask: what the codecs produce.

#include <cstdint>
#include <vector>

namespace cnn_fp4::data {

struct ImageSize {
  int width = 0;
  int height = 0;
  int orientation = 1;  // Of EXIF (exif.h); the two are turned by it.
};

// 8 bits a channel, rows from the top, channels innermost (HWC).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<uint8_t> pixels;  // height * width * channels.
  int orientation = 1;          // Of EXIF, if it is still to be applied.
};

// The values as the file stores them: grey levels of 1 to 16 bits, or palette
// indices. Nothing is scaled.
struct LabelMap {
  int width = 0;
  int height = 0;
  std::vector<uint16_t> values;  // height * width.
  int orientation = 1;           // Of EXIF; the values are turned by it.
};

// The mask value of pixels that neither loss nor metric counts.
inline constexpr uint8_t kIgnore = 255;

// Classes are 0 to 254.
inline constexpr int kMaxClasses = kIgnore;

// Width x height that a file may declare: 100 megapixels, 300 MB as RGB. A
// small file can declare far more than it holds (a "zip bomb"), so the codecs
// check this before they allocate.
inline constexpr int64_t kDefaultMaxPixels = 100'000'000;

}  // namespace cnn_fp4::data

#endif  // DATA_IMAGE_H_
