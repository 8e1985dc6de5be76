#ifndef DATA_JPEG_DECODER_H_
#define DATA_JPEG_DECODER_H_

// JPEG files in memory to RGB pixels, by libjpeg-turbo: grey and colour,
// baseline and progressive. EXIF orientation is left to image_io.h.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/image.h"

namespace cnn_fp4::data {

bool IsJpeg(absl::string_view bytes);

// From the header alone.
absl::StatusOr<ImageSize> JpegSize(absl::string_view bytes,
                                   const std::string& name, int64_t max_pixels);

// RGB; grey is repeated. CMYK is InvalidArgument, since without its profile the
// colours are guesswork. A file that ends too early or whose data break off is
// DataLoss, though libjpeg itself would fill it with grey. `name` begins every
// message; the declared size is checked against `max_pixels` before
// allocating.
absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes,
                                 const std::string& name, int64_t max_pixels);

}  // namespace cnn_fp4::data

#endif  // DATA_JPEG_DECODER_H_
