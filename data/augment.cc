#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "data/batch_spec.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/rng.h"

namespace cnn_fp4::data {
namespace {

constexpr int kChannels = 3;

// Where one row or column of the crop reads the source.
struct Tap {
  bool inside = false;
  int nearest = 0;
  int low = 0;
  int high = 0;
  float high_weight = 0;
};

// The taps of `crop` positions from `offset` on, along a side of `source`
// pixels resized to `scaled`.
std::vector<Tap> MakeTaps(int source, int scaled, bool flip, int offset,
                          int crop) {
  std::vector<Tap> taps(crop);
  for (int i = 0; i < crop; ++i) {
    int position = offset + i;
    if (position < 0 || position >= scaled) continue;
    if (flip) position = scaled - 1 - position;
    Tap& tap = taps[i];
    tap.inside = true;
    // Pixel centres: the exact quotient (position + 1/2) * source / scaled.
    const int64_t doubled = (2 * int64_t{position} + 1) * source;
    tap.nearest = static_cast<int>(doubled / (2 * int64_t{scaled}));
    const double centre =
        std::clamp(static_cast<double>(doubled) / (2.0 * scaled) - 0.5, 0.0,
                   static_cast<double>(source - 1));
    tap.low = static_cast<int>(centre);
    tap.high = std::min(tap.low + 1, source - 1);
    tap.high_weight = static_cast<float>(centre - tap.low);
  }
  return taps;
}

// Index of a pixel of a class other than the background, the `fraction`-th of
// them; -1 when there is none.
int64_t FindForeground(const std::vector<uint8_t>& mask, double fraction) {
  const auto counts = [](uint8_t c) { return c != 0 && c != kIgnore; };
  const int64_t total = std::count_if(mask.begin(), mask.end(), counts);
  int64_t left = static_cast<int64_t>(fraction * static_cast<double>(total));
  for (size_t i = 0; i < mask.size(); ++i) {
    if (counts(mask[i]) && left-- == 0) return static_cast<int64_t>(i);
  }
  return -1;
}

// An offset of the crop along a side, so that either the crop lies within the
// image or the image within the crop.
int DrawOffset(int scaled, int crop, double fraction) {
  const int slack = std::abs(scaled - crop);
  const int offset = std::min(static_cast<int>(fraction * (slack + 1)), slack);
  return scaled >= crop ? offset : -offset;
}

// The same, with the crop round `position` of the source.
int OffsetRound(int position, int source, int scaled, bool flip, int crop,
                double fraction) {
  int centre =
      static_cast<int>((2 * int64_t{position} + 1) * scaled / (2 * source));
  if (flip) centre = scaled - 1 - centre;
  const int offset = centre - static_cast<int>(fraction * crop);
  return std::clamp(offset, std::min(0, scaled - crop),
                    std::max(0, scaled - crop));
}

}  // namespace

int ScaledSide(int side, double scale) {
  return std::max(1, static_cast<int>(side * scale + 0.5));
}

CropPlacement CentreCrop(const Sample& sample, int crop) {
  CropPlacement placement;
  placement.top = (sample.image.height - crop) / 2;
  placement.left = (sample.image.width - crop) / 2;
  return placement;
}

CropPlacement DrawCrop(const Sample& sample, const BatchSpec& spec, Rng* rng) {
  const int crop = static_cast<int>(spec.crop);
  CropPlacement placement;
  placement.scale = rng->Uniform(spec.min_scale, spec.max_scale);
  placement.flip_x = rng->Below(2) == 1 && spec.horizontal_flip;
  placement.flip_y = rng->Below(2) == 1 && spec.vertical_flip;
  const double u_top = rng->Uniform();
  const double u_left = rng->Uniform();
  const bool round_foreground = rng->Uniform() < spec.foreground_probability;
  const double u_pixel = rng->Uniform();

  const int width = sample.image.width;
  const int height = sample.image.height;
  const int scaled_width = ScaledSide(width, placement.scale);
  const int scaled_height = ScaledSide(height, placement.scale);
  const int64_t pixel =
      round_foreground ? FindForeground(sample.mask, u_pixel) : -1;
  if (pixel < 0) {
    placement.top = DrawOffset(scaled_height, crop, u_top);
    placement.left = DrawOffset(scaled_width, crop, u_left);
  } else {
    placement.top = OffsetRound(static_cast<int>(pixel / width), height,
                                scaled_height, placement.flip_y, crop, u_top);
    placement.left = OffsetRound(static_cast<int>(pixel % width), width,
                                 scaled_width, placement.flip_x, crop, u_left);
  }
  return placement;
}

void WriteCrop(const Sample& sample, const CropPlacement& placement, int crop,
               const std::array<float, 256>& table, float* image,
               int64_t* target) {
  const int width = sample.image.width;
  const int height = sample.image.height;
  const std::vector<Tap> rows =
      MakeTaps(height, ScaledSide(height, placement.scale), placement.flip_y,
               placement.top, crop);
  const std::vector<Tap> columns =
      MakeTaps(width, ScaledSide(width, placement.scale), placement.flip_x,
               placement.left, crop);
  const uint8_t* pixels = sample.image.pixels.data();
  const size_t plane = static_cast<size_t>(crop) * crop;
  for (int y = 0; y < crop; ++y) {
    const Tap& row = rows[y];
    const uint8_t* low = pixels + size_t{kChannels} * width * row.low;
    const uint8_t* high = pixels + size_t{kChannels} * width * row.high;
    const uint8_t* classes =
        sample.mask.data() + static_cast<size_t>(width) * row.nearest;
    for (int x = 0; x < crop; ++x) {
      const Tap& column = columns[x];
      const size_t at = static_cast<size_t>(y) * crop + x;
      if (!row.inside || !column.inside) {
        for (int c = 0; c < kChannels; ++c) image[c * plane + at] = 0;
        target[at] = kIgnore;
        continue;
      }
      target[at] = classes[column.nearest];
      const int left = kChannels * column.low;
      const int right = kChannels * column.high;
      const float wx = column.high_weight;
      for (int c = 0; c < kChannels; ++c) {
        const float upper =
            table[low[left + c]] * (1 - wx) + table[low[right + c]] * wx;
        const float lower =
            table[high[left + c]] * (1 - wx) + table[high[right + c]] * wx;
        image[c * plane + at] =
            upper * (1 - row.high_weight) + lower * row.high_weight;
      }
    }
  }
}

}  // namespace cnn_fp4::data
