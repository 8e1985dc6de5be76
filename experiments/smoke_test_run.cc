// RunSmokeTest: see runner.h.

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "experiments/runner.h"
#include "nlohmann/json.hpp"
#include "nn/conv_precision.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

ExperimentSpec Miniature(ExperimentSpec spec) {
  spec.model_scale_factor = 0.125;
  spec.dataset = "synthetic";
  spec.category.clear();
  spec.train_split.clear();
  spec.val_split.clear();
  spec.class_names.clear();
  spec.batch_size = 2;
  spec.crop = 32;
  spec.steps = 2;
  spec.epochs = 0;
  spec.warmup_steps = 0;
  return spec;
}

std::vector<std::string> ExpectedFiles(const ExperimentSpec& spec) {
  std::vector<std::string> files = {
      "run.json",    "metrics.jsonl", "summary.json",
      "report.html", "DONE",          "plots/overlays/semantic_validation.png"};
  for (const std::string& model : spec.models) {
    std::vector<std::string> stems = {"weights/prequantize/semantic_weights",
                                      "gradients/semantic_gradients",
                                      "activations/semantic_activations"};
    if (nn::FindConvPrecision(model)->quantized()) {
      stems.push_back("weights/quantized/semantic_weights");
      stems.push_back("weights/dequantized/semantic_weights");
    }
    for (const std::string& stem : stems) {
      for (const char* ending : {".png", ".html", ".json"}) {
        files.push_back(
            absl::StrCat("plots/heatmaps/", model, "/", stem, ending));
      }
    }
    files.push_back(absl::StrCat("checkpoints/", model, "/step-000002.pt"));
    files.push_back(absl::StrCat("checkpoints/", model, "/best.pt"));
  }
  return files;
}

absl::StatusOr<json> ReadJson(const fs::path& path) {
  std::ifstream file(path);
  json value = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return absl::DataLossError(absl::StrCat(path.string(), ": no JSON"));
  }
  return value;
}

absl::Status CheckRun(const fs::path& directory, const ExperimentSpec& spec) {
  for (const std::string& file : ExpectedFiles(spec)) {
    if (!fs::exists(directory / file)) {
      return absl::NotFoundError(absl::StrCat("the run did not write ", file));
    }
  }
  const absl::StatusOr<json> run = ReadJson(directory / "run.json");
  if (!run.ok()) return run.status();
  const auto config = ParseExperimentSpec((*run)["config"].dump());
  if (!config.ok()) return config.status();
  if (ToJson(*config) != ToJson(spec)) {
    return absl::InternalError("run.json has another configuration");
  }
  const absl::StatusOr<json> summary = ReadJson(directory / "summary.json");
  if (!summary.ok()) return summary.status();
  if ((*summary)["arms"].size() != spec.models.size()) {
    return absl::InternalError("summary.json lacks an arm");
  }
  for (const json& arm : (*summary)["arms"]) {
    if (!arm["results"]["train loss"].is_number() ||
        !arm["results"]["val loss"].is_number()) {
      return absl::InternalError(
          absl::StrCat("an arm has no finite loss: ", arm.dump()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunSmokeTest(const std::string& name, const ExperimentSpec& spec) {
  const ExperimentSpec miniature = Miniature(spec);
  const char* const test_tmpdir = std::getenv("TEST_TMPDIR");
  std::string directory = absl::StrCat(
      test_tmpdir == nullptr ? fs::temp_directory_path().string() : test_tmpdir,
      "/smoke-XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, "cannot make " + directory);
  }
  RunOptions options;
  options.output_dir = directory;
  options.logf = 1;
  options.overlay_images = 1;
  options.progress = base::ProgressMode::kLines;
  const absl::StatusOr<RunOutcome> outcome =
      RunExperiment(name, miniature, options);
  absl::Status status = outcome.status();
  if (status.ok()) status = CheckRun(outcome->directory, miniature);
  std::error_code error;
  fs::remove_all(directory, error);
  return status;
}

}  // namespace cnn_fp4::experiments
