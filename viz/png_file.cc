#include "viz/png_file.h"

#include <png.h>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "glog/logging.h"

namespace cnn_fp4::viz {

absl::Status WritePngFile(const std::string& path, int width, int height,
                          int channels, absl::Span<const uint8_t> pixels) {
  CHECK(channels == 1 || channels == 3) << channels;
  CHECK(width > 0 && height > 0 &&
        pixels.size() == size_t{1} * width * height * channels)
      << width << " x " << height << " x " << channels << ", " << pixels.size();
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string bytes;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  bytes.resize(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size,
                                /*convert_to_8_bit=*/0, pixels.data(),
                                /*row_stride=*/0, /*colormap=*/nullptr) == 0) {
    return absl::InternalError(
        absl::StrCat(path, ": cannot encode PNG: ", image.message));
  }
  bytes.resize(size);
  return base::WriteFileAtomically(path, bytes);
}

}  // namespace cnn_fp4::viz
