// Looks at runs and studies that lie on disk; `bazel run //tools:runs --
// --help` describes it. Needs neither LibTorch nor a GPU.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/user_path.h"
#include "experiments/run_options.h"
#include "experiments/run_report.h"
#include "experiments/runs/comparison.h"
#include "experiments/runs/description.h"
#include "experiments/runs/find_runs.h"
#include "experiments/saved_run.h"
#include "experiments/saved_study.h"

namespace cnn_fp4::experiments {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

// Where nothing else is given, and what paths are shown relative to.
std::string CallerDirectory() {
  const std::string directory = base::CallerDirectory();
  return directory.empty() ? std::filesystem::current_path().string()
                           : directory;
}

std::vector<std::string> UserPaths(const std::vector<std::string>& given) {
  std::vector<std::string> paths;
  for (const std::string& path : given) paths.push_back(base::UserPath(path));
  return paths;
}

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

absl::Status List(const std::vector<std::string>& given) {
  const std::vector<std::string> directories =
      given.empty() ? std::vector<std::string>{DefaultOutputDir()}
                    : UserPaths(given);
  const absl::StatusOr<FoundRuns> found = FindRuns(directories);
  if (!found.ok()) return found.status();
  for (const std::string& why : found->unreadable) {
    std::fprintf(stderr, "left out: %s\n", why.c_str());
  }
  const std::string base = CallerDirectory();
  if (!found->runs.empty()) Print(RunsTable(found->runs, base).ToText());
  if (!found->studies.empty()) {
    Print(absl::StrCat(found->runs.empty() ? "" : "\n",
                       StudiesTable(found->studies, base).ToText()));
  }
  if (found->runs.empty() && found->studies.empty()) {
    std::fprintf(stderr, "there are no runs and no studies\n");
  }
  return absl::OkStatus();
}

absl::Status ShowStudy(const std::string& directory) {
  std::ifstream file(directory + "/study.md");
  if (!file) {
    return absl::NotFoundError(absl::StrCat(
        directory, "/study.md is missing; the command report writes it"));
  }
  Print({std::istreambuf_iterator<char>(file), {}});
  return absl::OkStatus();
}

absl::Status Show(const std::vector<std::string>& given) {
  for (const std::string& directory : UserPaths(given)) {
    if (IsStudy(directory)) {
      if (absl::Status status = ShowStudy(directory); !status.ok()) {
        return status;
      }
      continue;
    }
    const absl::StatusOr<SavedRun> run = ReadRun(directory);
    if (!run.ok()) return run.status();
    Print(DescribeRun(*run));
  }
  return absl::OkStatus();
}

absl::StatusOr<SavedRun> ReadForComparison(const std::string& given) {
  const std::string directory = base::UserPath(given);
  if (IsStudy(directory)) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory,
                     " is a study, whose study.html compares its "
                     "arms; give two runs"));
  }
  return ReadRun(directory);
}

absl::Status Compare(const std::string& given_a, const std::string& given_b,
                     const std::string& given_output) {
  const absl::StatusOr<SavedRun> a = ReadForComparison(given_a);
  if (!a.ok()) return a.status();
  const absl::StatusOr<SavedRun> b = ReadForComparison(given_b);
  if (!b.ok()) return b.status();
  const absl::StatusOr<std::string> page = ComparisonPage(*a, *b);
  if (!page.ok()) return page.status();
  const base::Table config = ConfigDifferences(*a, *b);
  const base::Table results = ResultDifferences(*a, *b);
  Print(absl::StrCat("A  ", a->directory.path(), "\nB  ", b->directory.path(),
                     "\n\n"));
  Print(config.rows().empty() ? "The runs were made alike.\n"
                              : config.ToText());
  Print(results.rows().empty() ? "\nThey have no finished arm in common.\n"
                               : absl::StrCat("\n", results.ToText()));
  const std::string output = base::UserPath(given_output);
  if (absl::Status status = base::WriteFileAtomically(output, *page);
      !status.ok()) {
    return status;
  }
  Print(absl::StrCat("\npage: ", output, "\n"));
  return absl::OkStatus();
}

absl::Status Report(const std::vector<std::string>& given) {
  for (const std::string& directory : UserPaths(given)) {
    if (IsStudy(directory)) {
      const absl::StatusOr<StudyResult> study = ReadStudy(directory);
      if (!study.ok()) return study.status();
      // As the study itself calls it, so that paths in it stay as they are.
      const std::string real = std::filesystem::canonical(directory).string();
      if (absl::Status status = WriteStudy(*study, real); !status.ok()) {
        return status;
      }
      Print(absl::StrCat("report: ", real, "/study.html\n"));
      continue;
    }
    const absl::StatusOr<SavedRun> run = ReadRun(directory);
    if (!run.ok()) return run.status();
    const absl::StatusOr<std::string> lacking = WriteRunReport(
        run->result, run->facts.started, run->facts.device, run->directory);
    if (!lacking.ok()) return lacking.status();
    if (!lacking->empty()) Print(absl::StrCat(*lacking, "\n"));
    Print(absl::StrCat("report: ", run->directory.Report(), "\n"));
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Looks at runs and studies that lie on disk. DIR is the directory of a "
      "run (runs/train/latest), of a study, or, for list, one that holds some.",
      "runs");
  app.require_subcommand(1);
  std::vector<std::string> directories;
  std::string a, b, output = "comparison.html";
  CLI::App* const list = app.add_subcommand(
      "list",
      "Lists the runs and studies below directories, with their scores.");
  list->add_option("DIR", directories,
                   "Directories. Without one, runs in the workspace.");
  CLI::App* const show = app.add_subcommand(
      "show", "Prints what a run or a study was and what came out.");
  show->add_option("DIR", directories, "Runs or studies.")->required();
  CLI::App* const compare = app.add_subcommand(
      "compare",
      "Prints what differs between two runs, in configuration and results, and "
      "writes a page with the curves of both.");
  compare->add_option("A", a, "A run.")->required();
  compare->add_option("B", b, "Another run.")->required();
  compare->add_option("--output", output, "The page.")->capture_default_str();
  CLI::App* const report = app.add_subcommand(
      "report",
      "Writes report.html anew, from what the run has recorded so far; also of "
      "a run that is going on or was killed. Of a study, its pages.");
  report->add_option("DIR", directories, "Runs or studies.")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help.
    std::fprintf(stderr, "error: %s; --help shows how runs is called\n",
                 error.what());
    return kUsage;
  }
  absl::Status status;
  if (list->parsed()) status = List(directories);
  if (show->parsed()) status = Show(directories);
  if (compare->parsed()) status = Compare(a, b, output);
  if (report->parsed()) status = Report(directories);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return kFailure;
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  return cnn_fp4::experiments::Main(argc, argv);
}
