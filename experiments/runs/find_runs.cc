#include "experiments/runs/find_runs.h"

#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "experiments/saved_study.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;

std::string Relative(const std::string& path, const std::string& base) {
  if (base.empty()) return path;
  const std::string relative =
      fs::path(path).lexically_relative(base).generic_string();
  return relative.empty() || absl::StartsWith(relative, "..") ? path : relative;
}

class Finder {
 public:
  // `directory` is a real path.
  void Add(const fs::path& directory) {
    if (!seen_.insert(directory.string()).second) return;
    if (IsRun(directory.string())) {
      absl::StatusOr<SavedRun> run = ReadRun(directory.string());
      if (run.ok()) {
        found_.runs.push_back(*std::move(run));
      } else {
        found_.unreadable.emplace_back(run.status().message());
      }
      return;
    }
    if (IsStudy(directory.string())) {
      absl::StatusOr<StudyResult> study = ReadStudy(directory.string());
      if (study.ok()) {
        found_.studies.push_back({directory.string(), *std::move(study)});
      } else {
        found_.unreadable.emplace_back(study.status().message());
      }
      return;
    }
    std::error_code error;
    for (fs::directory_iterator it(directory, error), end; !error && it != end;
         it.increment(error)) {
      std::error_code ignored;
      if (!it->is_symlink(ignored) && it->is_directory(ignored)) {
        Add(it->path());
      }
    }
    if (error) {
      found_.unreadable.push_back(
          absl::StrCat(directory.string(), ": ", error.message()));
    }
  }

  FoundRuns Take() {
    absl::c_stable_sort(found_.runs, [](const SavedRun& a, const SavedRun& b) {
      return std::make_pair(a.facts.started, a.directory.path()) <
             std::make_pair(b.facts.started, b.directory.path());
    });
    absl::c_sort(found_.studies, [](const FoundStudy& a, const FoundStudy& b) {
      return a.directory < b.directory;
    });
    absl::c_sort(found_.unreadable);
    return std::move(found_);
  }

 private:
  std::set<std::string> seen_;
  FoundRuns found_;
};

}  // namespace

absl::StatusOr<FoundRuns> FindRuns(absl::Span<const std::string> directories) {
  Finder finder;
  for (const std::string& directory : directories) {
    std::error_code error;
    const fs::path path = fs::canonical(directory, error);
    if (error || !fs::is_directory(path, error)) {
      return absl::NotFoundError(
          absl::StrCat(directory, ": there is no such directory"));
    }
    finder.Add(path);
  }
  return finder.Take();
}

base::Table RunsTable(absl::Span<const SavedRun> runs,
                      const std::string& base) {
  // Tasks differ in what they are judged by.
  std::vector<std::string> scores;
  for (const SavedRun& run : runs) {
    for (const ArmRecord& arm : run.result.arms) {
      const train::Metric* const headline = train::Headline(arm.metrics);
      if (headline != nullptr &&
          !absl::c_linear_search(scores, headline->title)) {
        scores.push_back(headline->title);
      }
    }
  }
  std::vector<std::string> columns = {"run",   "started (UTC)", "state",
                                      "steps", "arm",           "train loss"};
  columns.insert(columns.end(), scores.begin(), scores.end());
  base::Table table(columns);
  for (const SavedRun& run : runs) {
    std::vector<base::Cell> head = {
        Relative(run.directory.path(), base),
        absl::FormatTime("%Y-%m-%d %H:%M", run.facts.started,
                         absl::UTCTimeZone()),
        StateName(run.state)};
    if (run.result.arms.empty()) table.AddRow(head);
    for (const ArmRecord& arm : run.result.arms) {
      std::vector<base::Cell> row = head;
      row.emplace_back(static_cast<double>(arm.steps), 0);
      row.emplace_back(arm.policy);
      row.push_back(arm.train_loss.has_value() ? base::Cell(*arm.train_loss, 4)
                                               : base::Cell(""));
      const train::Metric* const headline = train::Headline(arm.metrics);
      for (const std::string& title : scores) {
        row.push_back(headline != nullptr && headline->title == title
                          ? base::Cell(headline->value, 4)
                          : base::Cell(""));
      }
      table.AddRow(std::move(row));
      head = {"", "", ""};
    }
  }
  return table;
}

base::Table StudiesTable(absl::Span<const FoundStudy> studies,
                         const std::string& base) {
  base::Table table({"study", "cells done", "arms", "seeds", "conditions"});
  for (const auto& [directory, study] : studies) {
    std::vector<std::string> conditions;
    for (const Condition& condition : study.spec.conditions) {
      conditions.push_back(condition.name);
    }
    table.AddRow(
        {Relative(directory, base),
         absl::StrCat(study.cells.size(), " of ", Cells(study.spec).size()),
         absl::StrJoin(study.spec.experiment.arms, " "),
         absl::StrJoin(study.spec.seeds, " "), absl::StrJoin(conditions, " ")});
  }
  return table;
}

}  // namespace cnn_fp4::experiments
