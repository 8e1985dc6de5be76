#include "viz/heatmap_set.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::viz {

std::string Heatmap::ColumnName(size_t column) const {
  return column_names.empty() ? absl::StrCat(columns[column])
                              : column_names[column];
}

absl::Status ValidateHeatmapSet(const HeatmapSet& set) {
  const auto error = [&](const Heatmap& heatmap, const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("heatmaps of ", set.model, " ", set.tensor,
                     ", statistic \"", heatmap.statistic, "\": ", what));
  };
  if (set.statistics.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "heatmaps of ", set.model, " ", set.tensor, ": no statistic"));
  }
  std::set<std::string> names;
  for (const Heatmap& heatmap : set.statistics) {
    if (heatmap.statistic.empty()) {
      return error(heatmap,
                   absl::StrCat("no name (title \"", heatmap.title, "\")"));
    }
    if (!names.insert(heatmap.statistic).second) {
      return error(heatmap, "occurs twice");
    }
    if (heatmap.rows.empty() || heatmap.columns.empty()) {
      return error(heatmap, "no layers or no steps");
    }
    if (heatmap.values.size() != heatmap.rows.size() * heatmap.columns.size()) {
      return error(heatmap, absl::StrCat(heatmap.values.size(), " values for ",
                                         heatmap.rows.size(), " layers and ",
                                         heatmap.columns.size(), " steps"));
    }
    if (!heatmap.column_names.empty() &&
        heatmap.column_names.size() != heatmap.columns.size()) {
      return error(heatmap,
                   absl::StrCat(heatmap.column_names.size(), " names for ",
                                heatmap.columns.size(), " columns"));
    }
    if (std::adjacent_find(heatmap.columns.begin(), heatmap.columns.end(),
                           std::greater_equal<>()) != heatmap.columns.end()) {
      return error(heatmap, "steps do not increase");
    }
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::viz
