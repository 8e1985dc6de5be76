#ifndef TELEMETRY_SINKS_WEIGHT_MAP_H_
#define TELEMETRY_SINKS_WEIGHT_MAP_H_

// Maps of one weight, element by element: its values, what FP4 made of them,
// the scales of its blocks and the errors.

#include <vector>

#include "telemetry/weight_sample.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::telemetry {

// A row a filter, a column a place in the filter, in the order of memory.
std::vector<viz::Heatmap> WeightMaps(const WeightSample& sample);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WEIGHT_MAP_H_
