#include "experiments/arm_pictures.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/atomic_file.h"
#include "experiments/arm_figures.h"
#include "experiments/layer_ranking.h"
#include "experiments/report_data.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::experiments {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<telemetry::Payload>> ArmPictures(
    const RunDirectory& directory, const std::string& arm,
    const std::string& task, int64_t step) {
  std::vector<telemetry::Payload> records;
  const fs::path heatmaps = fs::path(directory.Heatmaps()) / arm;
  // The forms of one plot that there are; `stem` is its path without them.
  const auto add = [&](const fs::path& stem, const std::string& key,
                       const std::string& caption) {
    std::error_code error;
    const std::string file =
        stem.lexically_relative(directory.path()).generic_string();
    if (fs::exists(stem.string() + ".png", error)) {
      records.push_back(telemetry::Image{step, key, file + ".png", caption});
    }
    if (fs::exists(stem.string() + ".html", error)) {
      records.push_back(telemetry::Html{step, key, file + ".html"});
    }
  };
  for (const telemetry::TensorKindInfo& kind : telemetry::TensorKinds()) {
    add(heatmaps / std::string(kind.directory) /
            absl::StrCat(task, "_", kind.file),
        absl::StrCat("heatmaps/",
                     absl::StrReplaceAll(kind.directory, {{"/", "_"}})),
        absl::StrCat("Statistics of ", kind.title,
                     ": layers from top to bottom, steps from left to right."));
  }
  add(heatmaps / "codes" / absl::StrCat(task, "_codes"), "heatmaps/codes",
      "Share of each FP4 value: layers from top to bottom, values from left to "
      "right.");
  add(heatmaps / "weights" / "map" / absl::StrCat(task, "_weight"),
      "heatmaps/weight_map",
      "One weight element by element: scales of its blocks, errors, values and "
      "FP4 values.");
  absl::StatusOr<ReportArms> arms = ReadReportData(directory.Metrics());
  if (!arms.ok()) return arms.status();
  if (std::optional<LayerRanking> ranking = RankLayers((*arms)[arm])) {
    records.push_back(
        telemetry::TableRecord{"layers", std::move(ranking->table)});
  }
  for (const ArmFigure& figure : ArmFigures(arm, (*arms)[arm])) {
    const std::string path = directory.Figure(arm, figure.name);
    if (absl::Status status = base::WriteFileAtomically(path, figure.json);
        !status.ok()) {
      return status;
    }
    records.push_back(telemetry::Figure{
        step, absl::StrCat("figures/", figure.name),
        fs::path(path).lexically_relative(directory.path()).generic_string()});
  }
  return records;
}

}  // namespace cnn_fp4::experiments
