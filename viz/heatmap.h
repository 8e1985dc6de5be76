#ifndef VIZ_HEATMAP_H_
#define VIZ_HEATMAP_H_

// Statistics of all layers over the steps of a training, as heatmaps: one file
// set holds every statistic of one tensor kind of one model.
//
//   HeatmapSet set{"nvfp4", "weights, before quantisation", "semantic",
//   "fp16_vs_..."}; set.statistics.push_back(
//       {"Kurtosis", "kurtosis", "", layers, steps, values});
//   WriteHeatmapSet(set, run_dir + "/plots/heatmaps/nvfp4/weights/prequantize/"
//                                  "semantic_weights");

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

// Writes <stem>.png (all statistics on one sheet), <stem>.html (one statistic
// at a time, exact values under the cursor, needs no network) and <stem>.json
// (all numbers; the format is at ToJson in viz/heatmap_json.h). Each file is
// complete or not there; missing directories are made. InvalidArgument naming
// the statistic whose sizes do not fit together, steps that do not increase, a
// repeated or empty `statistic`, or an empty set.
absl::Status WriteHeatmapSet(const HeatmapSet& set,
                             absl::string_view path_stem);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HEATMAP_H_
