#ifndef VIZ_HEATMAP_SET_H_
#define VIZ_HEATMAP_SET_H_

// Statistics of all layers over the steps of a training, or other maps of that
// form, as plain data.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace cnn_fp4::viz {

// How values become colours. The reader of the HTML can choose another.
enum class HeatmapScale {
  kLinear,
  kLog,        // Positive values; zero and below show as the lowest colour.
  kPercent,    // Values 0..100 (unit "%"), colours from 0 to the largest value.
  kSymmetric,  // Signed: two colours around zero.
};

struct Heatmap {
  std::string title;      // "Standard deviation"
  std::string statistic;  // "std": the key of the records, unique in a set.
  std::string unit;       // "dB", "%", "bits"; empty: none.
  std::vector<std::string> rows;  // Layers, in the order of the network.
  std::vector<int64_t> columns;   // Steps, increasing.
  // [rows, columns] row-major. NaN and infinities are values; nullopt: not
  // measured.
  std::vector<std::optional<double>> values;
  HeatmapScale scale = HeatmapScale::kLinear;
  std::string description;  // One sentence: what it is and how to read it.
  // What rows and columns are, for their axes; a map may also be of something
  // else than layers over steps.
  std::string row_title = "layer";
  std::string column_title = "step";
  // Written in the place of the numbers in `columns`; empty: those.
  std::vector<std::string> column_names = {};

  std::string ColumnName(size_t column) const;
};

struct HeatmapSet {
  std::string model;       // "nvfp4"
  std::string tensor;      // "weights, before quantisation"
  std::string task;        // "semantic"
  std::string experiment;  // "fp16_vs_nvfp4_s025"
  std::vector<Heatmap> statistics;
};

// InvalidArgument naming the statistic whose sizes do not fit together, that
// has no layers or steps, steps that do not increase, or a repeated or empty
// `statistic`, names that are not one a column; and for an empty set.
absl::Status ValidateHeatmapSet(const HeatmapSet& set);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HEATMAP_SET_H_
