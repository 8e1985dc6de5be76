#include "experiments/saved_study.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "experiments/arm_record.h"
#include "experiments/experiment_spec.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
// An arm's metrics keep their order.
using Json = nlohmann::ordered_json;

fs::path StudyJsonOf(const fs::path& directory) {
  return directory / "study.json";
}

absl::StatusOr<StudyResult> Parse(const Json& object,
                                  const fs::path& directory) try {
  StudyResult study;
  study.name = object.at("study");
  Json config = object.at("config");
  study.spec.seeds = config.at("seeds").get<std::vector<int64_t>>();
  // A study's experiment has no seed of its own.
  Json& experiment = config.at("experiment");
  experiment.at("train")["seed"] = StudySpec().experiment.train.seed;
  absl::StatusOr<ExperimentSpec> spec = ParseExperimentSpec(experiment.dump());
  if (!spec.ok()) return spec.status();
  study.spec.experiment = *std::move(spec);
  // Of studies with conditions alone.
  for (const Json& condition : config.value("conditions", Json::array())) {
    study.spec.conditions.push_back(
        {condition.at("name"),
         condition.at("settings").get<std::vector<std::string>>(),
         /*data_root=*/""});
  }
  for (const Json& cell : object.at("cells")) {
    absl::StatusOr<ArmRecord> record = ParseArmRecord(cell.dump());
    if (!record.ok()) return record.status();
    const fs::path path = directory / cell.at("path").get<std::string>();
    study.cells.push_back(
        {path.lexically_normal().string(), *std::move(record)});
  }
  if (absl::Status status = Check(study.spec); !status.ok()) return status;
  study.cells = ChooseRecords(Cells(study.spec), study.cells);
  return study;
} catch (const Json::exception& error) {
  return absl::InvalidArgumentError(error.what());
}

}  // namespace

bool IsStudy(const std::string& directory) {
  std::error_code error;
  return fs::is_regular_file(StudyJsonOf(directory), error);
}

absl::StatusOr<StudyResult> ReadStudy(const std::string& directory) {
  if (!IsStudy(directory)) {
    return absl::NotFoundError(
        absl::StrCat(directory, " is no study: it has no study.json"));
  }
  std::error_code error;
  const fs::path path = fs::canonical(directory, error);
  std::ifstream file(StudyJsonOf(path));
  absl::StatusOr<StudyResult> study =
      Parse(Json::parse(file, nullptr, /*allow_exceptions=*/false), path);
  if (study.ok()) return study;
  return absl::InvalidArgumentError(absl::StrCat(
      StudyJsonOf(path).string(),
      ": this version cannot read it: ", study.status().message()));
}

}  // namespace cnn_fp4::experiments
