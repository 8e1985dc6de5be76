#ifndef DATA_NORMALIZE_H_
#define DATA_NORMALIZE_H_

// From 8-bit pixels to what a net reads: for validation on whole images, with
// the same arithmetic as Loader's batches.

#include <array>
#include <vector>

#include "data/batch_spec.h"
#include "data/image.h"

namespace cnn_fp4::data {

// (value / 255 - mean) / stddev for each 8-bit value, computed in double and
// rounded once. `stddev` is not 0.
std::array<float, 256> NormalizationTable(double mean, double stddev);

// Of all values of all channels of an image, between 0 and 1.
struct PixelMoments {
  double mean = 0;
  double stddev = 0;
};
PixelMoments MomentsOf(const Image& image);

// The table for an image as spec.normalization says. An image whose values are
// (almost) all the same is divided by one step of 8 bits, 1/255.
std::array<float, 256> NormalizationTable(const BatchSpec& spec,
                                          const Image& image);

// CHW floats of a HWC image.
std::vector<float> NormalizeImage(const Image& image, const BatchSpec& spec);

}  // namespace cnn_fp4::data

#endif  // DATA_NORMALIZE_H_
