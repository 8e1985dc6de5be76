#include "experiments/run_directory.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "nlohmann/json.hpp"
#include "nn/runtime.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The first line that a command prints, or "".
std::string FirstLine(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 256> line = {};
  const bool got = fgets(line.data(), line.size(), pipe) != nullptr;
  pclose(pipe);
  return got ? std::string(absl::StripAsciiWhitespace(line.data())) : "";
}

// The commit of the workspace, with "+" when files differ from it.
std::string GitRevision() {
  const std::string workspace = Environment("BUILD_WORKSPACE_DIRECTORY");
  if (workspace.empty() || absl::StrContains(workspace, '\'')) return "unknown";
  const std::string git = absl::StrCat("git -C '", workspace, "' ");
  const std::string commit = FirstLine(git + "rev-parse HEAD 2>/dev/null");
  if (commit.empty()) return "unknown";
  const bool changed =
      !FirstLine(git + "status --porcelain -uno 2>/dev/null").empty();
  return changed ? commit + "+" : commit;
}

std::string CpuModel() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StartsWith(line, "model name")) {
      return std::string(absl::StripAsciiWhitespace(
          absl::string_view(line).substr(line.find(':') + 1)));
    }
  }
  return "unknown";
}

json Machine() {
  utsname system = {};
  uname(&system);
  return {{"cpu", CpuModel()},
          {"cores", std::thread::hardware_concurrency()},
          {"system", absl::StrCat(system.sysname, " ", system.release, " ",
                                  system.machine)}};
}

// `latest`, replaced in one step.
void PointLatestAt(const fs::path& experiment_dir, const std::string& name) {
  const fs::path temporary = experiment_dir / absl::StrCat("latest.", getpid());
  std::error_code error;
  fs::create_symlink(name, temporary, error);
  // A file system without links has no `latest`; nothing depends on it but
  // --resume=latest.
  if (!error) fs::rename(temporary, experiment_dir / "latest", error);
}

}  // namespace

absl::StatusOr<RunDirectory> CreateRunDirectory(const std::string& output_dir,
                                                const std::string& experiment,
                                                const ExperimentSpec& spec,
                                                const std::string& device) {
  const fs::path parent = fs::path(output_dir) / experiment;
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat(
        "--output_dir: cannot make ", parent.string(), ": ", error.message()));
  }
  const std::string base = absl::StrCat(
      absl::FormatTime("%Y%m%dT%H%M%SZ", absl::Now(), absl::UTCTimeZone()), "-",
      Digest(spec));
  std::string name = base;
  // create_directory says false for one that is there: two runs in a second.
  for (int n = 2; !fs::create_directory(parent / name, error); ++n) {
    if (error) {
      return absl::PermissionDeniedError(
          absl::StrCat("--output_dir: cannot make ", (parent / name).string(),
                       ": ", error.message()));
    }
    name = absl::StrCat(base, "-", n);
  }
  const fs::path path = parent / name;
  const json run = {
      {"experiment", experiment},
      {"config", json::parse(ToJson(spec))},
      {"digest", Digest(spec)},
      {"started",
       absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone())},
      {"git_revision", GitRevision()},
      {"libtorch", nn::LibTorchVersion()},
      {"device", device},
      {"machine", Machine()},
  };
  if (absl::Status status = base::WriteFileAtomically(
          (path / "run.json").string(), run.dump(2) + "\n");
      !status.ok()) {
    return status;
  }
  PointLatestAt(parent, name);
  return RunDirectory{path.string(), false};
}

absl::StatusOr<RunDirectory> ResumeRunDirectory(const std::string& output_dir,
                                                const std::string& experiment,
                                                const ExperimentSpec& spec,
                                                const std::string& resume) {
  fs::path path = resume == "latest"
                      ? fs::path(output_dir) / experiment / "latest"
                      : fs::path(resume);
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  std::ifstream file(resolved / "run.json");
  if (error || !file) {
    return absl::NotFoundError(absl::StrCat(
        "--resume: ", path.string(),
        " is no run (it has no run.json); give the directory of a run, or "
        "leave --resume out to start anew"));
  }
  const json run = json::parse(file, nullptr, /*allow_exceptions=*/false);
  const std::string digest =
      run.is_object() ? run.value("digest", std::string()) : "";
  if (digest != Digest(spec)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--resume: ", resolved.string(), " ran another configuration (digest ",
        digest, ", this one is ", Digest(spec),
        "); resume it with the command that started it"));
  }
  return RunDirectory{resolved.string(), true};
}

std::string UserPath(const std::string& path) {
  const std::string directory = Environment("BUILD_WORKING_DIRECTORY");
  if (path.empty() || directory.empty()) return path;
  // An absolute path replaces what it is appended to.
  return (fs::path(directory) / path).lexically_normal().string();
}

std::string DefaultOutputDir() {
  const std::string workspace = Environment("BUILD_WORKSPACE_DIRECTORY");
  return workspace.empty() ? "runs" : workspace + "/runs";
}

}  // namespace cnn_fp4::experiments
