#include "experiments/saved_run.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/file_lock.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/read_file.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

absl::StatusOr<json> ReadJson(const std::string& path) {
  const absl::StatusOr<std::string> text = base::ReadSmallFile(path);
  if (!text.ok()) return text.status();
  return base::ParseJson(*text);
}

absl::Status ReadRunJson(const std::string& path, SavedRun* run) try {
  const absl::StatusOr<json> read = ReadJson(path);
  if (!read.ok()) return read.status();
  const json& object = *read;
  absl::StatusOr<ExperimentSpec> spec =
      ParseExperimentSpec(object.at("config").dump());
  if (!spec.ok()) return spec.status();
  run->result.spec = *std::move(spec);
  run->result.experiment = object.at("experiment");
  run->digest = object.at("digest");
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full,
                       object.at("started").get<std::string>(),
                       &run->facts.started, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("\"started\": ", error));
  }
  run->facts.device = object.at("device");
  run->facts.libtorch_version = object.at("libtorch");
  run->facts.git_revision = object.at("git_revision");
  const json& machine = object.at("machine");
  run->facts.cpu = machine.at("cpu");
  run->facts.cores =
      static_cast<unsigned>(base::IntegerFromJson(machine.at("cores")));
  run->facts.system = machine.at("system");
  // Older runs do not say it.
  if (const auto names = object.find("class_names"); names != object.end()) {
    run->facts.class_names = names->get<std::vector<std::string>>();
    run->result.class_names = run->facts.class_names;
  }
  return absl::OkStatus();
} catch (const json::exception& error) {
  return absl::InvalidArgumentError(error.what());
}

absl::Status ReadArms(SavedRun* run) {
  std::error_code error;
  for (const std::string& arm : ArmKeys(run->result.spec)) {
    const std::string path = run->directory.ArmJson(arm);
    if (!fs::exists(path, error)) continue;
    const absl::StatusOr<std::string> text = base::ReadSmallFile(path);
    if (!text.ok()) return text.status();
    absl::StatusOr<ArmRecord> record = ParseArmRecord(*text);
    if (!record.ok()) {
      return absl::Status(record.status().code(),
                          absl::StrCat(path, ": ", record.status().message()));
    }
    run->result.arms.push_back(*std::move(record));
  }
  return absl::OkStatus();
}

// Zero where the summary does not say them.
void ReadCosts(SavedRun* run) try {
  const absl::StatusOr<json> summary = ReadJson(run->directory.Summary());
  if (!summary.ok() || !summary->is_object()) return;
  run->result.wall_seconds =
      base::NumberFromJson(summary->value("wall_seconds", json())).value_or(0);
  run->result.peak_memory_bytes =
      base::IntegerFromJson(summary->value("peak_memory_bytes", json(0)));
} catch (const json::exception&) {
  return;
}

RunState StateOf(const RunDirectory& directory) {
  std::error_code error;
  // A finished run is still locked while its process says good-bye.
  if (fs::exists(directory.Done(), error)) return RunState::kFinished;
  return base::FileLock::IsHeld(directory.Lock()) ? RunState::kRunning
                                                  : RunState::kStopped;
}

}  // namespace

absl::string_view StateName(RunState state) {
  switch (state) {
    case RunState::kFinished:
      return "finished";
    case RunState::kRunning:
      return "running";
    case RunState::kStopped:
      return "stopped";
  }
  return "";
}

bool IsRun(const std::string& directory) {
  std::error_code error;
  return fs::is_regular_file(RunDirectory(directory).RunJson(), error);
}

absl::StatusOr<SavedRun> ReadRun(const std::string& directory) {
  if (!IsRun(directory)) {
    return absl::NotFoundError(
        absl::StrCat(directory, " is no run: it has no run.json"));
  }
  std::error_code error;
  SavedRun run;
  run.directory = RunDirectory(fs::canonical(directory, error).string());
  const std::string path = run.directory.RunJson();
  if (const absl::Status status = ReadRunJson(path, &run); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": this version cannot read it: ", status.message()));
  }
  if (const absl::Status status = ReadArms(&run); !status.ok()) return status;
  ReadCosts(&run);
  run.state = StateOf(run.directory);
  return run;
}

}  // namespace cnn_fp4::experiments
