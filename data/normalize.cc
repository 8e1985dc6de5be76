#include "data/normalize.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "glog/logging.h"

namespace cnn_fp4::data {

std::array<float, 256> NormalizationTable(double mean, double stddev) {
  CHECK_NE(stddev, 0.0);
  std::array<float, 256> table;
  for (int value = 0; value < 256; ++value) {
    table[value] = static_cast<float>((value / 255.0 - mean) / stddev);
  }
  return table;
}

std::vector<float> NormalizeImage(const Image& image, double mean,
                                  double stddev) {
  const std::array<float, 256> table = NormalizationTable(mean, stddev);
  const size_t plane = static_cast<size_t>(image.width) * image.height;
  const size_t channels = image.channels;
  CHECK_EQ(image.pixels.size(), plane * channels);
  std::vector<float> chw(plane * channels);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < plane; ++i) {
      chw[c * plane + i] = table[image.pixels[i * channels + c]];
    }
  }
  return chw;
}

}  // namespace cnn_fp4::data
