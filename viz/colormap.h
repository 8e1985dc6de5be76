#ifndef VIZ_COLORMAP_H_
#define VIZ_COLORMAP_H_

// Colours of heatmaps: perceptually uniform maps, and reserved colours, which
// none of them contains, for values that are no numbers.

#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace cnn_fp4::viz {

struct Rgb {
  uint8_t r = 0;
  uint8_t g = 0;
  uint8_t b = 0;

  friend constexpr bool operator==(Rgb a, Rgb c) {
    return a.r == c.r && a.g == c.g && a.b == c.b;
  }
  friend constexpr bool operator!=(Rgb a, Rgb c) { return !(a == c); }
};

inline constexpr Rgb kNanColor = {0xff, 0x00, 0xc8};          // Magenta.
inline constexpr Rgb kPositiveInfColor = {0xff, 0x30, 0x10};  // Red.
inline constexpr Rgb kNegativeInfColor = {0x00, 0xb4, 0xff};  // Sky blue.
inline constexpr Rgb kMissingColor = {0xd2, 0xd2, 0xd2};      // Grey.

enum class ColormapId {
  kViridis,  // Sequential: van der Walt and Smith, matplotlib (CC0).
  kVik,      // Diverging, neutral in the middle: Crameri's vik (MIT).
};

// The map at t in 0..1 (clamped).
Rgb Colormap(ColormapId id, double t);

// The map's control points, equally far apart: what a page that colours by
// itself interpolates between.
absl::Span<const Rgb> ColormapPoints(ColormapId id);

// "#rrggbb".
std::string ToHex(Rgb color);

}  // namespace cnn_fp4::viz

#endif  // VIZ_COLORMAP_H_
