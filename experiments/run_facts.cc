#include "experiments/run_facts.h"

#include <sys/utsname.h>

#include <array>
#include <cstdio>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/user_path.h"
#include "experiments/cpu_name.h"

namespace cnn_fp4::experiments {
namespace {

// The first line that a command prints, or "".
std::string FirstLine(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "re");
  if (pipe == nullptr) return "";
  std::array<char, 256> line = {};
  const bool got = fgets(line.data(), line.size(), pipe) != nullptr;
  pclose(pipe);
  return got ? std::string(absl::StripAsciiWhitespace(line.data())) : "";
}

std::string GitRevision() {
  const std::string workspace = base::WorkspaceDirectory();
  if (workspace.empty() || absl::StrContains(workspace, '\'')) return "unknown";
  const std::string git = absl::StrCat("git -C '", workspace, "' ");
  const std::string commit = FirstLine(git + "rev-parse HEAD 2>/dev/null");
  if (commit.empty()) return "unknown";
  const bool changed =
      !FirstLine(git + "status --porcelain -uno 2>/dev/null").empty();
  return changed ? commit + "+" : commit;
}

}  // namespace

RunFacts CollectRunFacts(const std::string& device,
                         const std::string& libtorch_version) {
  utsname system = {};
  uname(&system);
  RunFacts facts;
  facts.started = absl::Now();
  facts.device = device;
  facts.libtorch_version = libtorch_version;
  facts.git_revision = GitRevision();
  facts.cpu = CpuName();
  facts.cores = std::thread::hardware_concurrency();
  facts.system =
      absl::StrCat(system.sysname, " ", system.release, " ", system.machine);
  return facts;
}

}  // namespace cnn_fp4::experiments
