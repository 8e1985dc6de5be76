#ifndef VIZ_EXAMPLE_HEATMAPS_H_
#define VIZ_EXAMPLE_HEATMAPS_H_

// A HeatmapSet like a real training's, for tests and for looking at: 34 layers
// of a UNet, 20 steps, eight statistics, and every state that a value can have.

#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

// The same numbers on each call. The last layer was not measured in the first
// four steps; one layer diverges to NaN, others have infinities.
HeatmapSet ExampleHeatmaps();

}  // namespace cnn_fp4::viz

#endif  // VIZ_EXAMPLE_HEATMAPS_H_
