#ifndef DATA_IMAGE_IO_H_
#define DATA_IMAGE_IO_H_

// Image and mask files, by their content: a PNG named .jpg is a PNG. Sizes,
// images and masks are turned as their EXIF data say (exif.h).

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "data/image.h"

namespace cnn_fp4::data {

// Decodes the header alone, though the whole file is read.
absl::StatusOr<ImageSize> ReadImageSize(const std::string& path,
                                        int64_t max_pixels);

// PNG or JPEG as RGB (png_decoder.h, jpeg_decoder.h say how).
absl::StatusOr<Image> ReadImage(const std::string& path, int64_t max_pixels);

// The same, not turned: `orientation` says what remains to be done.
absl::StatusOr<Image> ReadStoredImage(const std::string& path,
                                      int64_t max_pixels);

// PNG only: JPEG changes values, so it cannot hold classes.
absl::StatusOr<LabelMap> ReadLabels(const std::string& path,
                                    int64_t max_pixels);

}  // namespace cnn_fp4::data

#endif  // DATA_IMAGE_IO_H_
