#include "experiments/arm_pictures.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "experiments/layer_ranking.h"
#include "experiments/report_data.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::experiments {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<telemetry::Payload>> ArmPictures(
    const RunDirectory& directory, const std::string& arm,
    const std::string& task, int64_t step) {
  std::vector<telemetry::Payload> records;
  std::error_code error;
  for (const telemetry::TensorKindInfo& kind : telemetry::TensorKinds()) {
    const std::string stem =
        absl::StrCat(directory.Heatmaps(), "/", arm, "/", kind.directory, "/",
                     task, "_", kind.file);
    const std::string file =
        fs::path(stem).lexically_relative(directory.path()).generic_string();
    const std::string key = absl::StrCat(
        "heatmaps/", absl::StrReplaceAll(kind.directory, {{"/", "_"}}));
    if (fs::exists(stem + ".png", error)) {
      records.push_back(telemetry::Image{
          step, key, file + ".png",
          absl::StrCat("Statistics of ", kind.title,
                       ": layers from top to bottom, steps from left to "
                       "right.")});
    }
    if (fs::exists(stem + ".html", error)) {
      records.push_back(telemetry::Html{step, key, file + ".html"});
    }
  }
  absl::StatusOr<ReportArms> arms = ReadReportData(directory.Metrics());
  if (!arms.ok()) return arms.status();
  if (std::optional<LayerRanking> ranking = RankLayers((*arms)[arm])) {
    records.push_back(
        telemetry::TableRecord{"layers", std::move(ranking->table)});
  }
  return records;
}

}  // namespace cnn_fp4::experiments
