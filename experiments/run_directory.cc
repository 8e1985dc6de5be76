#include "experiments/run_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "base/read_file.h"
#include "experiments/run_json.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

absl::Status CannotMake(const fs::path& path, const std::string& why) {
  return absl::PermissionDeniedError(
      absl::StrCat("--output_dir: cannot make ", path.string(), ": ", why));
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

// OK if the run of run.json is one of `spec` on the data of `facts`.
absl::Status CheckSameRun(const fs::path& path, const RunJsonContents& run,
                          const ExperimentSpec& spec, const RunFacts& facts) {
  const auto refuse = [&](auto... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume: ", path.string(), " ", what...));
  };
  if (run.digest != Digest(spec)) {
    if (json::parse(run.config) == json::parse(base::ToJson(spec))) {
      return refuse(
          "was written by a version in which its policies meant something "
          "else; start anew without --resume");
    }
    return refuse("ran another configuration (digest \"", run.digest,
                  "\", this one is ", Digest(spec),
                  "); resume it with the command that started it");
  }
  if (run.data_digest.has_value() && *run.data_digest != facts.data_digest) {
    return refuse("was trained on other data (their digest was ",
                  *run.data_digest, ", now it is ", facts.data_digest,
                  "); give it the --data_root that it had, or start anew "
                  "without --resume");
  }
  return absl::OkStatus();
}

// Of the run at `path`, whose lock is held: the temporary files of
// base::WriteFileAtomically that nobody will rename any more.
void RemoveLeftovers(const fs::path& path) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::recursive_directory_iterator entry(path, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (absl::StartsWith(name, ".") && absl::EndsWith(name, ".tmp")) {
      leftovers.push_back(entry->path());
    }
  }
  for (const fs::path& leftover : leftovers) fs::remove(leftover, error);
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
  const fs::path latest = parent / "latest";
  if (fs::exists(fs::symlink_status(latest, error)) &&
      !fs::is_symlink(fs::symlink_status(latest, error))) {
    return CannotMake(latest, "something that is no link has this name");
  }
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
  absl::StatusOr<base::FileLock> lock = base::FileLock::Acquire(made.Lock());
  if (!lock.ok()) return lock.status();
  made.lock_ = *std::move(lock);
  if (absl::Status status = base::WriteFileAtomically(
          made.RunJson(), ToRunJson(experiment, spec, facts));
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
                                                  const RunFacts& facts,
                                                  const std::string& resume) {
  const fs::path path = resume == "latest"
                            ? fs::path(output_dir) / experiment / "latest"
                            : fs::path(resume);
  std::error_code error;
  RunDirectory directory(fs::canonical(path, error).string());
  const absl::StatusOr<std::string> text =
      base::ReadSmallFile(directory.RunJson());
  if (error || absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(
        "--resume: ", path.string(),
        " is no run (it has no run.json); give the directory of a run, or "
        "leave --resume out to start anew"));
  }
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("--resume: ", text.status().message()));
  }
  const absl::StatusOr<RunJsonContents> run = ParseRunJson(*text);
  if (absl::IsFailedPrecondition(run.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume: ", directory.path_, " ", run.status().message(),
                     "; start anew without --resume"));
  }
  if (!run.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume: ", directory.path_,
                     " has a run.json that this version cannot read (",
                     run.status().message(), "); start anew without --resume"));
  }
  if (absl::Status status = CheckSameRun(directory.path_, *run, spec, facts);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<base::FileLock> lock =
      base::FileLock::Acquire(directory.Lock());
  if (!lock.ok()) {
    return absl::Status(lock.status().code(),
                        absl::StrCat("--resume: the run may still be alive: ",
                                     lock.status().message()));
  }
  directory.lock_ = *std::move(lock);
  RemoveLeftovers(directory.path_);
  directory.resumed_ = true;
  directory.started_ = run->started;
  directory.threads_ = run->threads;
  return directory;
}

std::string RunDirectory::Path(absl::string_view relative) const {
  return absl::StrCat(path_, "/", relative);
}

std::string RunDirectory::Checkpoints(absl::string_view arm) const {
  return Path(absl::StrCat("checkpoints/", arm));
}

std::string RunDirectory::Weights(absl::string_view arm) const {
  return Path(absl::StrCat("weights/", arm, ".safetensors"));
}

std::string RunDirectory::ArmJson(absl::string_view arm) const {
  return Path(absl::StrCat("arms/", arm, "/arm.json"));
}

std::string RunDirectory::Figure(absl::string_view arm,
                                 absl::string_view name) const {
  return Path(absl::StrCat("pictures/", arm, "/", name, ".plotly.json"));
}

std::string RunDirectory::Predictions(absl::string_view arm) const {
  return Path(absl::StrCat("pictures/", arm, "/predictions.png"));
}

std::string RunDirectory::Overlays(absl::string_view task) const {
  return Path(absl::StrCat("plots/overlays/", task, "_validation.png"));
}

}  // namespace cnn_fp4::experiments
