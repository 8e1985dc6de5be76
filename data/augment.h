#ifndef DATA_AUGMENT_H_
#define DATA_AUGMENT_H_

// From a sample to a square crop in a batch: resize, flip, crop, normalise, in
// one pass over the pixels of the crop.
//
// Images are sampled bilinearly, masks by the nearest pixel. Where the resized
// image is smaller than the crop, the rest is padding: 0 after normalisation,
// and kIgnore in the mask.

#include <array>
#include <cstdint>

#include "data/batch_spec.h"
#include "data/dataset.h"
#include "data/rng.h"

namespace cnn_fp4::data {

// Where a crop lies. Pixel (i, j) of the crop reads the resized and flipped
// image at (top + i, left + j); negative offsets mean padding.
struct CropPlacement {
  double scale = 1;
  bool flip_x = false;
  bool flip_y = false;
  int top = 0;
  int left = 0;
};

// Size of a side after resizing: rounded to nearest, at least 1.
int ScaledSide(int side, double scale);

// The middle of the image, as it is.
CropPlacement CentreCrop(const Sample& sample, int crop);

// A random placement of a crop of spec.crop pixels. Draws always the same
// number of values from `rng`, whatever the specification.
CropPlacement DrawCrop(const Sample& sample, const BatchSpec& spec, Rng* rng);

// Writes 3 * crop * crop floats (CHW, through `table` of normalize.h) to
// `image` and crop * crop classes to `target`.
void WriteCrop(const Sample& sample, const CropPlacement& placement, int crop,
               const std::array<float, 256>& table, float* image,
               int64_t* target);

}  // namespace cnn_fp4::data

#endif  // DATA_AUGMENT_H_
