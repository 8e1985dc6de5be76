#include "experiments/run_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Of run.json. 1 had a flat configuration and no "schema_version".
constexpr int kSchemaVersion = 2;

constexpr char kLock[] = "lock";

absl::Status CannotMake(const fs::path& path, const std::string& why) {
  return absl::PermissionDeniedError(
      absl::StrCat("--output_dir: cannot make ", path.string(), ": ", why));
}

std::string RunJsonText(const std::string& experiment,
                        const ExperimentSpec& spec, const RunFacts& facts) {
  const json run = {
      {"schema_version", kSchemaVersion},
      {"experiment", experiment},
      {"config", json::parse(base::ToJson(spec))},
      {"resolved", json::parse(Resolved(spec))},
      {"digest", Digest(spec)},
      {"started",
       absl::FormatTime(absl::RFC3339_sec, facts.started, absl::UTCTimeZone())},
      {"git_revision", facts.git_revision},
      {"libtorch", facts.libtorch_version},
      {"device", facts.device},
      {"class_names", facts.class_names},
      {"machine",
       {{"cpu", facts.cpu}, {"cores", facts.cores}, {"system", facts.system}}},
  };
  return run.dump(2) + "\n";
}

// `latest`, replaced in one step.
void PointLatestAt(const fs::path& experiment_dir, const std::string& name) {
  const fs::path temporary = experiment_dir / absl::StrCat("latest.", getpid());
  std::error_code error;
  fs::remove(temporary, error);  // Of a killed process with the same id.
  fs::create_symlink(name, temporary, error);
  // A file system without links has no `latest`; nothing depends on it but
  // --resume=latest.
  if (!error) fs::rename(temporary, experiment_dir / "latest", error);
}

// Gives the directory the first free name of `base`, `base`-2, ...; its path.
absl::StatusOr<std::string> RenameToFreeName(const fs::path& from,
                                             const fs::path& parent,
                                             const std::string& base) {
  std::string name = base;
  for (int n = 2;; ++n) {
    // rename(2) would replace an empty directory; a run is never empty.
    std::error_code error;
    fs::rename(from, parent / name, error);
    if (!error) return (parent / name).string();
    if (error != std::errc::directory_not_empty &&
        error != std::errc::file_exists) {
      return CannotMake(parent / name, error.message());
    }
    name = absl::StrCat(base, "-", n);
  }
}

// OK if the run of run.json is one of `spec`.
absl::Status CheckSameRun(const fs::path& path, const json& run,
                          const ExperimentSpec& spec) {
  const auto refuse = [&](auto... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume: ", path.string(), " ", what...));
  };
  const json version =
      run.is_object() ? run.value("schema_version", json(1)) : json();
  if (version == 1) {
    return refuse(
        "was written by an older version, whose runs cannot be "
        "continued; start anew without --resume");
  }
  if (version != kSchemaVersion) {
    return refuse(
        "has a run.json that this version cannot read; start anew "
        "without --resume");
  }
  const json digest = run.value("digest", json());
  if (digest == Digest(spec)) return absl::OkStatus();
  if (run.value("config", json()) == json::parse(base::ToJson(spec))) {
    return refuse(
        "was written by a version in which its policies meant something else; "
        "start anew without --resume");
  }
  return refuse("ran another configuration (digest ", digest.dump(),
                ", this one is ", Digest(spec),
                "); resume it with the command that started it");
}

}  // namespace

absl::StatusOr<RunDirectory> RunDirectory::Create(const std::string& output_dir,
                                                  const std::string& experiment,
                                                  const ExperimentSpec& spec,
                                                  const RunFacts& facts) {
  const fs::path parent = fs::path(output_dir) / experiment;
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return CannotMake(parent, error.message());
  // Elsewhere until run.json is in it.
  std::string elsewhere = (parent / ".new-XXXXXX").string();
  if (mkdtemp(elsewhere.data()) == nullptr) {
    return CannotMake(
        elsewhere, std::error_code(errno, std::generic_category()).message());
  }
  absl::StatusOr<RunDirectory> directory =
      MakeIn(elsewhere, parent, experiment, spec, facts);
  fs::remove_all(elsewhere, error);
  if (directory.ok()) {
    PointLatestAt(parent, fs::path(directory->path_).filename().string());
  }
  return directory;
}

absl::StatusOr<RunDirectory> RunDirectory::MakeIn(const std::string& elsewhere,
                                                  const std::string& parent,
                                                  const std::string& experiment,
                                                  const ExperimentSpec& spec,
                                                  const RunFacts& facts) {
  RunDirectory made(elsewhere + "/run");
  std::error_code error;
  fs::create_directory(made.path_, error);
  if (error) return CannotMake(made.path_, error.message());
  absl::StatusOr<base::FileLock> lock =
      base::FileLock::Acquire(made.Path(kLock));
  if (!lock.ok()) return lock.status();
  made.lock_ = *std::move(lock);
  if (absl::Status status = base::WriteFileAtomically(
          made.RunJson(), RunJsonText(experiment, spec, facts));
      !status.ok()) {
    return status;
  }
  absl::StatusOr<std::string> path = RenameToFreeName(
      made.path_, parent,
      absl::StrCat(absl::FormatTime("%Y%m%dT%H%M%SZ", facts.started,
                                    absl::UTCTimeZone()),
                   "-", Digest(spec)));
  if (!path.ok()) return path.status();
  made.path_ = *std::move(path);
  made.started_ = facts.started;
  return made;
}

absl::StatusOr<RunDirectory> RunDirectory::Resume(const std::string& output_dir,
                                                  const std::string& experiment,
                                                  const ExperimentSpec& spec,
                                                  const std::string& resume) {
  const fs::path path = resume == "latest"
                            ? fs::path(output_dir) / experiment / "latest"
                            : fs::path(resume);
  std::error_code error;
  RunDirectory directory(fs::canonical(path, error).string());
  std::ifstream file(directory.RunJson());
  if (error || !file) {
    return absl::NotFoundError(absl::StrCat(
        "--resume: ", path.string(),
        " is no run (it has no run.json); give the directory of a run, or "
        "leave --resume out to start anew"));
  }
  const json run = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (absl::Status status = CheckSameRun(directory.path_, run, spec);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<base::FileLock> lock =
      base::FileLock::Acquire(directory.Path(kLock));
  if (!lock.ok()) {
    return absl::Status(lock.status().code(),
                        absl::StrCat("--resume: the run may still be alive: ",
                                     lock.status().message()));
  }
  directory.lock_ = *std::move(lock);
  directory.resumed_ = true;
  std::string error_text;
  if (!absl::ParseTime(absl::RFC3339_full, run.value("started", ""),
                       &directory.started_, &error_text)) {
    return absl::DataLossError(absl::StrCat("--resume: ", directory.RunJson(),
                                            ": \"started\": ", error_text));
  }
  return directory;
}

std::string RunDirectory::Path(absl::string_view relative) const {
  return absl::StrCat(path_, "/", relative);
}

std::string RunDirectory::Checkpoints(absl::string_view arm) const {
  return Path(absl::StrCat("checkpoints/", arm));
}

std::string RunDirectory::ArmJson(absl::string_view arm) const {
  return Path(absl::StrCat("arms/", arm, "/arm.json"));
}

std::string RunDirectory::Overlays(absl::string_view task) const {
  return Path(absl::StrCat("plots/overlays/", task, "_validation.png"));
}

}  // namespace cnn_fp4::experiments
