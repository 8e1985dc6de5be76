#ifndef VIZ_COLOR_SCALE_H_
#define VIZ_COLOR_SCALE_H_

// From a statistic's values to colours and to the ticks of its colour bar.

#include <optional>
#include <string>
#include <vector>

#include "viz/colormap.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

struct Tick {
  double position;  // 0..1 along the colour bar.
  std::string label;
};

// The range of the finite values of a heatmap, by its HeatmapScale:
//   kLinear     smallest..largest
//   kLog        smallest positive..largest; kLinear when none is positive
//   kPercent    0..largest
//   kSymmetric  -amax..amax, diverging colours
// A range without extent is widened, so that equal values have one colour.
class ColorScale {
 public:
  explicit ColorScale(const Heatmap& heatmap);

  // The colour of a value; reserved ones for NaN, infinities and nullopt.
  Rgb Color(const std::optional<double>& value) const;

  // The colour at 0..1 along the colour bar.
  Rgb ColorAt(double position) const;

  // Round numbers, at least two, or none when no value is finite.
  std::vector<Tick> Ticks() const;

  bool has_range() const { return has_range_; }
  bool is_log() const { return log_; }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double Position(double value) const;

  bool has_range_ = false;
  bool log_ = false;
  double low_ = 0.0;
  double high_ = 1.0;
  ColormapId colormap_ = ColormapId::kViridis;
};

}  // namespace cnn_fp4::viz

#endif  // VIZ_COLOR_SCALE_H_
