#include "data/normalize.h"

#include <algorithm>
#include <array>
#include <cmath>
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

PixelMoments MomentsOf(const Image& image) {
  // Integers: exact, in any order. The squares of 2^47 values fit.
  uint64_t sum = 0, squares = 0;
  for (const uint8_t value : image.pixels) {
    sum += value;
    squares += uint64_t{value} * value;
  }
  const auto n = static_cast<double>(image.pixels.size());
  const double mean = static_cast<double>(sum) / n;
  const double variance = static_cast<double>(squares) / n - mean * mean;
  return {mean / 255.0, std::sqrt(std::max(variance, 0.0)) / 255.0};
}

std::array<float, 256> NormalizationTable(const BatchSpec& spec,
                                          const Image& image) {
  if (spec.normalization == "constants") {
    return NormalizationTable(spec.mean, spec.stddev);
  }
  CHECK_EQ(spec.normalization, "image");
  const PixelMoments moments = MomentsOf(image);
  return NormalizationTable(moments.mean, std::max(moments.stddev, 1 / 255.0));
}

std::vector<float> NormalizeImage(const Image& image, const BatchSpec& spec) {
  const std::array<float, 256> table = NormalizationTable(spec, image);
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
