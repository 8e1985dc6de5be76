#ifndef VIZ_HEATMAP_PNG_H_
#define VIZ_HEATMAP_PNG_H_

// The printed form of a HeatmapSet: one sheet with a panel for each statistic,
// layers down, steps across, a colour bar each, and the legend of the reserved
// colours once.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

// A valid set. When there are more steps than a panel has pixels, a pixel shows
// the value of its steps that matters most: NaN, an infinity, else the largest
// in magnitude; the panel says so.
absl::Status WriteHeatmapPng(const HeatmapSet& set, absl::string_view path);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HEATMAP_PNG_H_
