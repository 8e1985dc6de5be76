#ifndef DATA_TEST_IMAGES_H_
#define DATA_TEST_IMAGES_H_

// Image files for tests: every kind that the decoders meet, and damaged ones.

#include <cstdint>
#include <string>
#include <vector>

namespace cnn_fp4::data {

struct TestPng {
  int width = 0;
  int height = 0;
  int bit_depth = 8;
  int color_type =
      0;  // PNG_COLOR_TYPE_*: 0 grey, 2 RGB, 3 palette, 4, 6 alpha.
  bool interlaced = false;
  std::vector<uint16_t> values;  // Row-major, channels innermost.
  std::vector<uint8_t> palette;  // r, g, b, ...
};

std::string EncodePng(const TestPng& png);

// Components 1 (grey), 3 (RGB) or 4 (CMYK), at the best quality.
std::string EncodeJpeg(int width, int height, int components,
                       const std::vector<uint8_t>& values);

// Grey, `value` everywhere or the given values; 16 bits if 8 are too few.
std::string GreyPng(int width, int height, uint16_t value);
std::string GreyPng(int width, int height, std::vector<uint16_t> values);

// 33 bytes that declare this size, and nothing behind them.
std::string PngThatDeclares(uint32_t width, uint32_t height);

// A new empty directory.
std::string MakeTempDir();

// Makes the directories above it too.
void WriteTestFile(const std::string& path, const std::string& bytes);

}  // namespace cnn_fp4::data

#endif  // DATA_TEST_IMAGES_H_
