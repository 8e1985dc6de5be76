#ifndef DATA_PNG_DECODER_H_
#define DATA_PNG_DECODER_H_

// PNG files in memory to pixels, by libpng: all colour types, 1 to 16 bits,
// interlaced or not.
//
// `name` begins every error message. The declared size is checked against
// `max_pixels` before anything of that size is allocated; a damaged or
// truncated file is DataLoss.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/image.h"

namespace cnn_fp4::data {

bool IsPng(absl::string_view bytes);

// From the header alone.
absl::StatusOr<ImageSize> PngSize(absl::string_view bytes,
                                  const std::string& name, int64_t max_pixels);

// RGB. Grey is repeated, palettes are looked up, fewer than 8 bits are scaled
// to 0..255, of 16 bits the high byte counts. Alpha and gamma are disregarded:
// the colour of a transparent pixel is what the file stores for it.
absl::StatusOr<Image> DecodePngImage(absl::string_view bytes,
                                     const std::string& name,
                                     int64_t max_pixels);

// The stored values: grey levels unscaled, palette indices. Alpha is
// disregarded. RGB is accepted when the three are equal everywhere, else
// InvalidArgument, for colours are not classes.
absl::StatusOr<LabelMap> DecodePngLabels(absl::string_view bytes,
                                         const std::string& name,
                                         int64_t max_pixels);

}  // namespace cnn_fp4::data

#endif  // DATA_PNG_DECODER_H_
