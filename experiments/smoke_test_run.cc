// RunSmokeTest: see runner.h.

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "experiments/run_directory.h"
#include "experiments/runner.h"
#include "nlohmann/json.hpp"
#include "nn/models/net_spec.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Whether the arm has a layer in FP4, so that its weights are measured before
// and after quantisation.
bool Quantizes(const std::string& arm, const nn::NetSpec& net) {
  const auto precisions = nn::Policy::Parse(arm)->Resolve(*nn::Layers(net));
  return absl::c_any_of(*precisions, [](const nn::ConvPrecision& precision) {
    return precision.quantized();
  });
}

std::vector<std::string> ExpectedFiles(const RunDirectory& run,
                                       const ExperimentSpec& spec) {
  std::vector<std::string> files = {
      run.RunJson(), run.Metrics(), run.Summary(),
      run.Report(),  run.Done(),    run.Overlays(spec.task.task)};
  const std::vector<std::string> arms = ArmKeys(spec);
  for (size_t i = 0; i < arms.size(); ++i) {
    std::vector<std::string> stems = {"weights/prequantize/semantic_weights",
                                      "gradients/semantic_gradients",
                                      "activations/semantic_activations"};
    if (Quantizes(spec.arms[i], spec.net)) {
      stems.push_back("weights/quantized/semantic_weights");
      stems.push_back("weights/dequantized/semantic_weights");
    }
    for (const std::string& stem : stems) {
      for (const char* ending : {".png", ".html", ".json"}) {
        files.push_back(
            absl::StrCat(run.Heatmaps(), "/", arms[i], "/", stem, ending));
      }
    }
    files.push_back(run.Checkpoints(arms[i]) + "/step-000002.pt");
    files.push_back(run.Checkpoints(arms[i]) + "/best.pt");
    files.push_back(run.ArmJson(arms[i]));
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

absl::Status CheckRun(const RunDirectory& directory,
                      const ExperimentSpec& spec) {
  for (const std::string& file : ExpectedFiles(directory, spec)) {
    if (!fs::exists(file)) {
      return absl::NotFoundError(absl::StrCat("the run did not write ", file));
    }
  }
  const absl::StatusOr<json> run = ReadJson(directory.RunJson());
  if (!run.ok()) return run.status();
  const auto config = ParseExperimentSpec((*run)["config"].dump());
  if (!config.ok()) return config.status();
  if (base::ToJson(*config) != base::ToJson(spec)) {
    return absl::InternalError("run.json has another configuration");
  }
  const absl::StatusOr<json> summary = ReadJson(directory.Summary());
  if (!summary.ok()) return summary.status();
  if ((*summary)["arms"].size() != spec.arms.size()) {
    return absl::InternalError("summary.json lacks an arm");
  }
  for (const json& arm : (*summary)["arms"]) {
    if (!arm["train_loss"].is_number() ||
        !arm["metrics"]["loss"]["value"].is_number()) {
      return absl::InternalError(
          absl::StrCat("an arm has no finite loss: ", arm.dump()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

ExperimentSpec Miniature(ExperimentSpec spec) {
  spec.net.model_scale_factor = 0.125;
  spec.data = data::DatasetSpec();
  spec.data.dataset = "synthetic";
  spec.batch.batch_size = 2;
  spec.batch.crop = 32;
  spec.train.steps = 2;
  spec.train.epochs = 0;
  spec.train.warmup_steps = 0;
  spec.train.init_checksum.clear();
  return spec;
}

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
  options.progress = "lines";
  const absl::StatusOr<RunOutcome> outcome =
      RunExperiment(name, miniature, options);
  absl::Status status = outcome.status();
  if (status.ok())
    status = CheckRun(RunDirectory(outcome->directory), miniature);
  std::error_code error;
  fs::remove_all(directory, error);
  return status;
}

}  // namespace cnn_fp4::experiments
