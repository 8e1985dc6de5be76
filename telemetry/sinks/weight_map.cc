#include "telemetry/sinks/weight_map.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "telemetry/fp4_values.h"

namespace cnn_fp4::telemetry {

std::vector<viz::Heatmap> WeightMaps(const WeightSample& sample) {
  const std::string thinning = sample.Thinning();
  const std::string where =
      absl::StrCat(" At step ", sample.step,
                   thinning.empty() ? "" : "; shown is ", thinning, ".");
  const auto map = [&](const char* title, const char* key,
                       viz::HeatmapScale scale, const char* description,
                       const std::function<double(size_t)>& value) {
    viz::Heatmap heatmap;
    heatmap.title = title;
    heatmap.statistic = key;
    heatmap.scale = scale;
    heatmap.description = absl::StrCat(description, where);
    heatmap.row_title = "filter";
    heatmap.column_title = "place";
    for (int64_t i = 0; i < sample.kept_rows(); ++i) {
      heatmap.rows.push_back(absl::StrCat("filter ", i * sample.row_stride));
    }
    for (int64_t i = 0; i < sample.kept_columns(); ++i) {
      heatmap.columns.push_back(i * sample.column_stride);
    }
    for (size_t i = 0; i < sample.values.size(); ++i) {
      heatmap.values.emplace_back(value(i));
    }
    return heatmap;
  };
  const auto fp4 = [&](size_t i) { return Fp4Value(sample.codes[i]); };
  const auto dequantized = [&](size_t i) {
    return fp4(i) * static_cast<double>(sample.scales[i]);
  };
  return {
      map("Block scale", "scale", viz::HeatmapScale::kLog,
          "What an FP4 value of 1 stands for: the scale of the element's "
          "block, times that of the tensor.",
          [&](size_t i) { return sample.scales[i]; }),
      map("Magnitude of the error", "abs_error", viz::HeatmapScale::kLinear,
          "|x - Q(x)|: up to half the distance of the FP4 values on both sides "
          "times the scale, and more where a value was clipped.",
          [&](size_t i) {
            return std::abs(static_cast<double>(sample.values[i]) -
                            dequantized(i));
          }),
      map("Value", "value", viz::HeatmapScale::kSymmetric,
          "The weight before quantisation.",
          [&](size_t i) { return sample.values[i]; }),
      map("FP4 value", "fp4", viz::HeatmapScale::kSymmetric,
          "What its FP4 code stands for, before any scale.", fp4),
  };
}

}  // namespace cnn_fp4::telemetry
