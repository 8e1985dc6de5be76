#include "experiments/study_runner.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/console.h"
#include "base/file_lock.h"
#include "experiments/run_directory.h"
#include "experiments/runner.h"
#include "experiments/study_report.h"
#include "experiments/study_tables.h"
#include "train/stop_signal.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;

void Say(const std::string& line) { base::Console::Stderr().Line(line); }

// The newest run of a cell, or "": their names begin with the time.
std::string NewestRun(const fs::path& cell) {
  std::string newest;
  std::error_code error;
  for (fs::directory_iterator it(cell, error), end; !error && it != end;
       it.increment(error)) {
    const std::string path = it->path().string();
    if (it->is_directory() && !it->is_symlink() &&
        fs::exists(RunDirectory(path).RunJson()) && path > newest) {
      newest = path;
    }
  }
  return newest;
}

class StudyRun {
 public:
  StudyRun(const std::string& name, const StudySpec& study,
           const StudyOptions& options)
      : options_(options), cells_(Cells(study)) {
    result_.name = name;
    result_.spec = study;
  }

  absl::StatusOr<int> Run();

 private:
  absl::Status Open();
  // Adds what lies below the directories to what is known.
  absl::Status Find(const std::vector<std::string>& directories);
  bool IsDone(const Cell& cell) const;
  absl::Status RunCell(const Cell& cell);
  std::string TimeLeft() const;
  absl::StatusOr<int> Finish() const;

  const StudyOptions& options_;
  const std::vector<Cell> cells_;
  const std::string cells_directory_ = options_.directory + "/cells";
  base::FileLock lock_;
  std::vector<FoundRecord> found_;
  StudyResult result_;
  // Of this process.
  absl::Duration trained_;
  int64_t cells_trained_ = 0;
};

absl::Status StudyRun::Open() {
  std::error_code error;
  fs::create_directories(cells_directory_, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat(
        "output_dir: cannot make ", cells_directory_, ": ", error.message()));
  }
  absl::StatusOr<base::FileLock> lock =
      base::FileLock::Acquire(options_.directory + "/lock");
  if (!lock.ok()) {
    return absl::Status(
        lock.status().code(),
        absl::StrCat("output_dir: another study may be writing there: ",
                     lock.status().message()));
  }
  lock_ = *std::move(lock);
  return absl::OkStatus();
}

absl::Status StudyRun::Find(const std::vector<std::string>& directories) {
  absl::StatusOr<FoundRecords> found = FindRecords(directories);
  if (!found.ok()) return found.status();
  for (const std::string& path : found->unreadable) {
    Say(absl::StrCat("ignored ", path));
  }
  for (FoundRecord& record : found->records) {
    found_.push_back(std::move(record));
  }
  result_.cells = ChooseRecords(cells_, found_);
  return absl::OkStatus();
}

bool StudyRun::IsDone(const Cell& cell) const {
  return std::any_of(
      result_.cells.begin(), result_.cells.end(),
      [&](const FoundRecord& found) { return IsOf(found.record, cell); });
}

std::string StudyRun::TimeLeft() const {
  if (cells_trained_ == 0) return "";
  const auto left = static_cast<double>(cells_.size() - result_.cells.size());
  return absl::StrCat(", about ",
                      absl::FormatDuration(absl::Trunc(
                          trained_ / static_cast<double>(cells_trained_) * left,
                          absl::Seconds(1))),
                      " left");
}

absl::Status StudyRun::RunCell(const Cell& cell) {
  RunOptions run = options_.run;
  run.output_dir = cells_directory_;
  const std::vector<Condition>& conditions = result_.spec.conditions;
  const Condition* const condition =
      conditions.empty() ? nullptr : &conditions[cell.condition];
  if (condition != nullptr && !condition->data_root.empty()) {
    run.read.data_root = condition->data_root;
  }
  run.resume = NewestRun(fs::path(cells_directory_) / cell.name());
  const std::string what = absl::StrFormat(
      "cell %d of %d  %s%s seed %d", result_.cells.size() + 1, cells_.size(),
      condition == nullptr ? "" : condition->name + "  ", cell.policy,
      cell.seed());
  Say(absl::StrCat(what, run.resume.empty() ? "" : ", continued", TimeLeft()));
  const absl::Time start = absl::Now();
  const absl::StatusOr<RunOutcome> outcome =
      RunExperiment(cell.name(), cell.spec, run);
  if (!outcome.ok()) {
    return absl::Status(outcome.status().code(),
                        absl::StrCat(what, ": ", outcome.status().message()));
  }
  trained_ += absl::Now() - start;
  ++cells_trained_;
  if (absl::Status status = Find({outcome->directory}); !status.ok()) {
    return status;
  }
  if (!IsDone(cell) && train::StopSignal() == 0) {
    return absl::InternalError(
        absl::StrCat(what, ": ", outcome->directory, " has no finished ",
                     "arm.json of the digest ", cell.digest));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> StudyRun::Finish() const {
  const int signal = train::StopSignal();
  if (!result_.cells.empty()) {
    for (const auto& [condition, statistics] : Sections(result_)) {
      if (!condition.empty()) absl::PrintF("\n%s\n", condition);
      absl::PrintF("\n%s", ArmsTable(statistics).ToText());
      if (statistics.arms.size() > 1) {
        absl::PrintF("\n%s", DifferencesTable(statistics).ToText());
      }
    }
    absl::PrintF("\nreport: %s/study.html\n", options_.directory);
    std::fflush(stdout);
  }
  if (options_.report_only || result_.cells.size() == cells_.size()) return 0;
  Say(absl::StrCat("stopped by signal ", signal, "; ", result_.cells.size(),
                   " of ", cells_.size(),
                   " cells are done; continue with the same command"));
  return 128 + signal;
}

absl::StatusOr<int> StudyRun::Run() {
  if (absl::Status status = Open(); !status.ok()) return status;
  std::vector<std::string> directories = options_.done;
  directories.push_back(options_.directory);
  if (absl::Status status = Find(directories); !status.ok()) return status;
  Say(absl::StrFormat("study  %s: %d cells, %d of them done",
                      options_.directory, cells_.size(), result_.cells.size()));
  if (options_.report_only && result_.cells.empty()) {
    return absl::NotFoundError(
        "report_only: none of the cells is done here or below --done");
  }
  if (!result_.cells.empty()) {
    if (absl::Status status = WriteStudy(result_, options_.directory);
        !status.ok()) {
      return status;
    }
  }
  for (const Cell& cell : cells_) {
    if (options_.report_only || train::StopSignal() != 0) break;
    if (IsDone(cell)) continue;
    absl::Status status = RunCell(cell);
    if (status.ok() && IsDone(cell)) {
      status = WriteStudy(result_, options_.directory);
    }
    if (!status.ok()) return status;
  }
  return Finish();
}

}  // namespace

absl::StatusOr<int> RunStudy(const std::string& name, const StudySpec& study,
                             const StudyOptions& options) {
  absl::Status status = Check(study);
  status.Update(Check(options.run));
  if (!status.ok()) return status;
  return StudyRun(name, study, options).Run();
}

}  // namespace cnn_fp4::experiments
