#include "viz/test_png.h"

#include <png.h>

#include "gtest/gtest.h"

namespace cnn_fp4::viz {

size_t TestPng::Count(Rgb color, int left, int right, int bottom) const {
  size_t count = 0;
  for (int y = 0; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      const uint8_t* p = rgb.data() + 3 * (static_cast<size_t>(y) *
                                               static_cast<size_t>(width) +
                                           static_cast<size_t>(x));
      count += Rgb{p[0], p[1], p[2]} == color;
    }
  }
  return count;
}

TestPng DecodePng(const std::string& path) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  TestPng png;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) {
    ADD_FAILURE() << path << ": " << image.message;
    return png;
  }
  image.format = PNG_FORMAT_RGB;
  png.rgb.resize(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, png.rgb.data(), 0, nullptr) == 0) {
    ADD_FAILURE() << path << ": " << image.message;
    return TestPng();
  }
  png.width = static_cast<int>(image.width);
  png.height = static_cast<int>(image.height);
  return png;
}

}  // namespace cnn_fp4::viz
