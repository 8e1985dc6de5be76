#ifndef VIZ_TEST_PNG_H_
#define VIZ_TEST_PNG_H_

// Reads a PNG back in a test, with libpng: not with the library that wrote it.

#include <cstdint>
#include <string>
#include <vector>

#include "viz/colormap.h"

namespace cnn_fp4::viz {

struct TestPng {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;

  // Pixels of exactly this colour, in the columns [left, right) of the rows
  // above `bottom`.
  size_t Count(Rgb color, int left, int right, int bottom) const;
  size_t Count(Rgb color) const { return Count(color, 0, width, height); }
};

// Of size zero, with a failure of the test, when it is no PNG.
TestPng DecodePng(const std::string& path);

}  // namespace cnn_fp4::viz

#endif  // VIZ_TEST_PNG_H_
