#ifndef VIZ_HEATMAP_JSON_H_
#define VIZ_HEATMAP_JSON_H_

// The JSON form of a HeatmapSet: all its numbers, for other programs and for
// the HTML page.
//
//   {"schema": "cnn_fp4.heatmap_set", "schema_version": 1,
//    "experiment": "...", "model": "nvfp4", "tensor": "weights, before
//    quantisation", "task": "semantic", "statistics": [
//      {"statistic": "kurtosis", "title": "Kurtosis", "unit": "",
//       "description": "...", "scale": "linear"|"log"|"percent"|"symmetric",
//       "layers": ["enc1.conv1", ...],          rows
//       "steps": [0, 10, ...],                   columns
//       "values": [[3.02, "NaN", null, ...], ...]}]}   [layers, steps]
//
// A map of something else than layers over steps has "row_title" and
// "column_title", which say what its "layers" and "steps" are, and may have
// "column_names", a text for each of "steps".
//
// A value is a number that reads back as the same double, the string "NaN",
// "Infinity" or "-Infinity", or null: not measured. schema_version grows when a
// reader of this would misread the file; new keys do not count.

#include <string>

#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

inline constexpr int kHeatmapSchemaVersion = 1;

// One line, UTF-8; other bytes become U+FFFD.
std::string ToJson(const HeatmapSet& set);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HEATMAP_JSON_H_
