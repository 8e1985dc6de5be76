#ifndef DATA_NORMALIZE_H_
#define DATA_NORMALIZE_H_

// From 8-bit pixels to what a net reads: for validation on whole images, with
// the same arithmetic as Loader's batches.

#include <array>
#include <vector>

#include "data/image.h"

namespace cnn_fp4::data {

// (value / 255 - mean) / stddev for each 8-bit value, computed in double and
// rounded once. `stddev` is not 0.
std::array<float, 256> NormalizationTable(double mean, double stddev);

// CHW floats of a HWC image.
std::vector<float> NormalizeImage(const Image& image, double mean,
                                  double stddev);

}  // namespace cnn_fp4::data

#endif  // DATA_NORMALIZE_H_
