#ifndef DATA_EXIF_H_
#define DATA_EXIF_H_

// The orientation of a photograph: cameras store pixels as the sensor has them
// and write into the EXIF data how to turn them. Viewers and annotation tools
// turn, so a reader that does not would put labels in the wrong place.

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/image.h"

namespace cnn_fp4::data {

// 2 to 8 of a JPEG's first EXIF segment (APP1) or a PNG's eXIf chunk, 1 ("as
// stored") if there is none or it is damaged or out of range, as viewers do.
// Orientations in XMP data are not read.
int StoredOrientation(absl::string_view bytes);

// The size after turning: 5 to 8 exchange width and height.
ImageSize Turned(ImageSize size, int orientation);

// Turns the pixels (`channels` values each) of a stored image of `size`.
// Orientation 1 to 8, checked:
//   2 mirrored left to right    3 by 180 degrees    4 mirrored top to bottom
//   5 transposed   6 by 90 degrees clockwise   7 transposed along the other
//   diagonal       8 by 90 degrees counterclockwise
void Turn(int orientation, ImageSize size, int channels,
          std::vector<uint8_t>* values);
void Turn(int orientation, ImageSize size, int channels,
          std::vector<uint16_t>* values);

// By the image's own `orientation`, which is 1 afterwards.
void Turn(Image* image);

}  // namespace cnn_fp4::data

#endif  // DATA_EXIF_H_
