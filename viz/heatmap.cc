#include "viz/heatmap.h"

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "viz/heatmap_html.h"
#include "viz/heatmap_json.h"
#include "viz/heatmap_png.h"

namespace cnn_fp4::viz {

absl::Status WriteHeatmapSet(const HeatmapSet& set,
                             absl::string_view path_stem) {
  absl::Status status = ValidateHeatmapSet(set);
  if (!status.ok()) return status;
  // The numbers first: what a full disk should take last.
  status = base::WriteFileAtomically(absl::StrCat(path_stem, ".json"),
                                     ToJson(set) + "\n");
  if (!status.ok()) return status;
  status =
      base::WriteFileAtomically(absl::StrCat(path_stem, ".html"), ToHtml(set));
  if (!status.ok()) return status;
  return WriteHeatmapPng(set, absl::StrCat(path_stem, ".png"));
}

}  // namespace cnn_fp4::viz
