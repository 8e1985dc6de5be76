// RunStudySmokeTest: see study_runner.h.

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "experiments/runner.h"
#include "experiments/study_runner.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

StudySpec Miniature(const StudySpec& study) {
  StudySpec small = study;
  small.experiment = Miniature(study.experiment);
  if (small.experiment.arms.size() > 2) small.experiment.arms.resize(2);
  if (small.seeds.size() > 2) small.seeds.resize(2);
  // They would undo what makes the experiment small.
  small.conditions.clear();
  return small;
}

// What the study left in the directory, for one that has run whole.
absl::Status CheckStudy(const fs::path& directory, const StudySpec& study) {
  for (const char* name : {"study.html", "study.md"}) {
    if (!fs::exists(directory / name)) {
      return absl::NotFoundError(
          absl::StrCat("the study did not write ", name));
    }
  }
  std::ifstream file(directory / "study.json");
  const json found = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (found.is_discarded() || found["complete"] != true) {
    return absl::InternalError("study.json does not say that it is complete");
  }
  const size_t seeds = study.seeds.size();
  if (found["cells"].size() != study.experiment.arms.size() * seeds) {
    return absl::InternalError("study.json lacks a cell");
  }
  for (size_t i = 0; i < found["arms"].size(); ++i) {
    const json& loss = found["arms"][i]["metrics"]["loss"];
    if (!loss["mean"].is_number() || loss["n"] != seeds ||
        (i > 0 && loss["difference_to_first_arm"]["n"] != seeds)) {
      return absl::InternalError(
          absl::StrCat("an arm lacks a loss or a pair: ", loss.dump()));
    }
  }
  return absl::OkStatus();
}

size_t NumRuns(const fs::path& directory) {
  size_t runs = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    runs += entry.path().filename() == "run.json";
  }
  return runs;
}

absl::Status RunTwice(const std::string& name, const StudySpec& study,
                      const StudyOptions& options) {
  const size_t cells = Cells(study).size();
  for (int time = 0; time < 2; ++time) {
    const absl::StatusOr<int> exit_status = RunStudy(name, study, options);
    if (!exit_status.ok()) return exit_status.status();
    if (*exit_status != 0) {
      return absl::CancelledError(absl::StrCat("stopped: ", *exit_status));
    }
    absl::Status status = CheckStudy(options.directory, study);
    if (!status.ok()) return status;
    if (NumRuns(options.directory) != cells) {
      return absl::InternalError(absl::StrCat(
          "after call ", time + 1, " there are ", NumRuns(options.directory),
          " runs of ", cells, " cells"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunStudySmokeTest(const std::string& name,
                               const StudySpec& study) {
  const char* const test_tmpdir = std::getenv("TEST_TMPDIR");
  std::string directory = absl::StrCat(
      test_tmpdir == nullptr ? fs::temp_directory_path().string() : test_tmpdir,
      "/smoke-XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, "cannot make " + directory);
  }
  StudyOptions options;
  options.directory = directory;
  options.run.logf = 1;
  options.run.overlay_images = 1;
  options.run.progress = "lines";
  const absl::Status status = RunTwice(name, Miniature(study), options);
  std::error_code error;
  fs::remove_all(directory, error);
  return status;
}

}  // namespace cnn_fp4::experiments
