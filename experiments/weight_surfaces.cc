#include "experiments/weight_surfaces.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "telemetry/weight_sample.h"
#include "viz/plotly_script.h"
#include "viz/surface_page.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;

viz::SurfaceLayer ToSurfaces(
    const std::vector<telemetry::WeightSample>& samples) {
  const telemetry::WeightSample& first = samples.front();
  viz::SurfaceLayer layer{first.layer,
                          first.kept_rows(),
                          first.kept_columns(),
                          first.row_stride,
                          first.column_stride,
                          first.Thinning(),
                          {}};
  for (const telemetry::WeightSample& sample : samples) {
    // The shape of a weight does not change; a file that was mended by hand may
    // say otherwise.
    if (sample.values.size() != first.values.size()) continue;
    layer.samples.push_back(
        {sample.step, sample.values, sample.codes, sample.scales});
  }
  return layer;
}

}  // namespace

absl::StatusOr<std::string> WriteWeightSurfaces(
    const std::string& experiment, const ReportArms& arms,
    const std::vector<std::string>& order, const RunDirectory& directory) {
  viz::SurfacePage page;
  page.title = experiment;
  for (const std::string& name : order) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) continue;
    viz::SurfaceArm surfaces{name, {}};
    for (const std::string& layer : arm->second.order) {
      const auto& samples = arm->second.layers.at(layer).weights;
      if (!samples.empty()) surfaces.layers.push_back(ToSurfaces(samples));
    }
    if (!surfaces.layers.empty()) page.arms.push_back(std::move(surfaces));
  }
  if (page.arms.empty()) return "";
  if (!viz::HasPlotly()) {
    return "no 3-D surfaces of weights: this was built without plotly.js";
  }
  std::error_code error;
  const fs::path run = fs::canonical(directory.path(), error);
  const fs::path file = run / kSurfacesFile;
  if (!error) fs::create_directories(file.parent_path(), error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("making ", file.parent_path().string()));
  }
  absl::StatusOr<std::string> script = viz::PlacePlotly(
      file.parent_path().string(), run.parent_path().parent_path().string());
  if (!script.ok()) return script.status();
  page.script = *std::move(script);
  if (absl::Status status =
          base::WriteFileAtomically(file.string(), viz::ToHtml(page));
      !status.ok()) {
    return status;
  }
  return "";
}

}  // namespace cnn_fp4::experiments
