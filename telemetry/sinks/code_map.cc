#include "telemetry/sinks/code_map.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "telemetry/fp4_values.h"

namespace cnn_fp4::telemetry {

void CodeMap::Fold(const LayerHistogram& histogram) {
  if (histogram.of != HistogramOf::kCodes) return;
  std::vector<Row>& rows = rows_[histogram.tensor];
  auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& known) {
    return known.layer == histogram.layer;
  });
  if (row == rows.end()) {
    row = rows.insert(rows.end(), {histogram.layer, histogram.step, {}});
  }
  if (histogram.step < row->step) return;
  row->step = histogram.step;
  row->counts = histogram.counts;
}

std::vector<viz::Heatmap> CodeMap::Heatmaps() const {
  std::vector<viz::Heatmap> maps;
  for (const auto& [kind, rows] : rows_) {
    const TensorKindInfo& info = Info(kind);
    viz::Heatmap map;
    map.title = std::string(info.title);
    map.statistic = absl::StrReplaceAll(info.directory, {{"/", "_"}});
    map.unit = "%";
    map.scale = viz::HeatmapScale::kPercent;
    map.column_title = "FP4 value";
    map.column_names = Fp4ValueNames();
    map.columns.resize(map.column_names.size());
    std::iota(map.columns.begin(), map.columns.end(), int64_t{0});
    int64_t step = 0;
    for (const Row& row : rows) {
      const std::vector<double> shares = Fp4Shares(row.counts);
      if (shares.empty()) continue;
      step = std::max(step, row.step);
      map.rows.push_back(row.layer);
      for (const double share : shares) map.values.push_back(100 * share);
    }
    if (map.rows.empty()) continue;
    map.description = absl::StrCat(
        "Share of each FP4 value at step ", step,
        ". What lies at both ends of a row is large in its block; what lies "
        "at zero is too small for it, or was zero.");
    maps.push_back(std::move(map));
  }
  return maps;
}

}  // namespace cnn_fp4::telemetry
