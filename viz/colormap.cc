#include "viz/colormap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "absl/strings/str_format.h"

namespace cnn_fp4::viz {
namespace {

// Every 15th of the published 256 colours. Linear interpolation between them is
// within 6 / 255 of the originals.
constexpr int kPoints = 18;

// Stefan van der Walt and Nathaniel Smith, matplotlib; CC0.
constexpr std::array<Rgb, kPoints> kViridisPoints = {{
    {68, 1, 84},
    {72, 23, 105},
    {71, 42, 122},
    {67, 61, 132},
    {61, 78, 138},
    {53, 94, 141},
    {46, 109, 142},
    {41, 123, 142},
    {35, 137, 142},
    {31, 151, 139},
    {33, 165, 133},
    {46, 179, 124},
    {70, 192, 111},
    {101, 203, 94},
    {137, 213, 72},
    {176, 221, 47},
    {216, 226, 25},
    {253, 231, 37},
}};
// Fabio Crameri, Scientific colour maps, doi:10.5281/zenodo.1243862; MIT.
constexpr std::array<Rgb, kPoints> kVikPoints = {{
    {0, 18, 97},
    {2, 42, 112},
    {3, 65, 127},
    {8, 89, 143},
    {37, 117, 161},
    {81, 148, 182},
    {128, 178, 202},
    {176, 207, 222},
    {222, 230, 233},
    {238, 219, 208},
    {228, 190, 168},
    {215, 160, 129},
    {204, 133, 93},
    {192, 107, 58},
    {175, 76, 24},
    {143, 43, 6},
    {115, 20, 6},
    {89, 0, 8},
}};
uint8_t Mix(uint8_t a, uint8_t b, double t) {
  return static_cast<uint8_t>(std::lround(a + t * (b - a)));
}

}  // namespace

absl::Span<const Rgb> ColormapPoints(ColormapId id) {
  return id == ColormapId::kViridis ? kViridisPoints : kVikPoints;
}

Rgb Colormap(ColormapId id, double t) {
  const absl::Span<const Rgb> points = ColormapPoints(id);
  const double at = std::clamp(t, 0.0, 1.0) * (kPoints - 1);
  const int i = std::min(static_cast<int>(at), kPoints - 2);
  const Rgb a = points[static_cast<size_t>(i)];
  const Rgb b = points[static_cast<size_t>(i) + 1];
  return {Mix(a.r, b.r, at - i), Mix(a.g, b.g, at - i), Mix(a.b, b.b, at - i)};
}

std::string ToHex(Rgb color) {
  return absl::StrFormat("#%02x%02x%02x", color.r, color.g, color.b);
}

}  // namespace cnn_fp4::viz
