#include "experiments/saved_study.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/read_file.h"
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

absl::StatusOr<StudyResult> Parse(const std::string& text,
                                  const fs::path& directory) try {
  // What follows may rely on the depth.
  if (const auto checked = base::ParseJson(text); !checked.ok()) {
    return checked.status();
  }
  const Json object = Json::parse(text);
  StudyResult study;
  study.name = object.at("study");
  Json config = object.at("config");
  study.spec.seeds.clear();
  for (const Json& seed : config.at("seeds")) {
    study.spec.seeds.push_back(base::IntegerFromJson(seed));
  }
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
  const absl::StatusOr<std::string> text =
      base::ReadSmallFile(StudyJsonOf(path).string());
  if (!text.ok()) return text.status();
  absl::StatusOr<StudyResult> study = Parse(*text, path);
  if (study.ok()) return study;
  return absl::InvalidArgumentError(absl::StrCat(
      StudyJsonOf(path).string(),
      ": this version cannot read it: ", study.status().message()));
}

}  // namespace cnn_fp4::experiments
