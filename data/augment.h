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

#include "absl/status/status.h"
#include "data/dataset.h"
#include "data/rng.h"

namespace cnn_fp4::data {

struct AugmentOptions {
  bool horizontal_flip = true;  // With probability 1/2 each.
  bool vertical_flip = true;
  // Uniform resize factor; both 1: none.
  double min_scale = 0.8;
  double max_scale = 1.25;
  // With this probability the crop is laid round a random pixel of a class
  // other than the background (where there is one) instead of anywhere: for
  // datasets whose defects are so small that most crops would miss them.
  double foreground_probability = 0;
};

// InvalidArgument naming the field.
absl::Status Validate(const AugmentOptions& options);

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

// Draws always the same number of values from `rng`, whatever the options.
CropPlacement DrawCrop(const Sample& sample, int crop,
                       const AugmentOptions& options, Rng* rng);

// Writes 3 * crop * crop floats (CHW, through `table` of normalize.h) to
// `image` and crop * crop classes to `target`.
void WriteCrop(const Sample& sample, const CropPlacement& placement, int crop,
               const std::array<float, 256>& table, float* image,
               int64_t* target);

}  // namespace cnn_fp4::data

#endif  // DATA_AUGMENT_H_
