#include "experiments/study_spec.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/read_file.h"
#include "base/spec.h"
#include "base/spec_check.h"
#include "experiments/study_statistics.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using base::Require;
using base::RequireRange;
using nlohmann::json;

constexpr int64_t kMaxSeeds = 10'000;

// How much of a seed a machine has: whether the first arm, without which there
// are no pairs, and how many cells.
struct Share {
  bool first_arm = false;
  int cells = 0;

  bool operator<(const Share& other) const {
    return std::tie(first_arm, cells) < std::tie(other.first_arm, other.cells);
  }
};

// "7" is 7 to 7, and "6..10" 6 to 10.
std::optional<std::pair<int64_t, int64_t>> ParseRange(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits("..", 1));
  const bool one = ends.first.size() == text.size();
  int64_t first = 0;
  int64_t last = 0;
  if (!absl::SimpleAtoi(ends.first, &first) ||
      !absl::SimpleAtoi(one ? text : ends.second, &last) || first < 0 ||
      last < first) {
    return std::nullopt;
  }
  return std::make_pair(first, last);
}

std::vector<int64_t> Range(std::pair<int64_t, int64_t> ends) {
  std::vector<int64_t> seeds(ends.second - ends.first + 1);
  std::iota(seeds.begin(), seeds.end(), ends.first);
  return seeds;
}

absl::Status TooManySeeds() {
  return absl::InvalidArgumentError(
      absl::StrCat("seeds: there are more than ", kMaxSeeds));
}

absl::Status CheckSeeds(absl::Span<const int64_t> seeds) {
  absl::Status status =
      Require(!seeds.empty(), "seeds", "must not be empty; give one, as in 5");
  std::set<int64_t> once;
  for (const int64_t seed : seeds) {
    status.Update(Require(once.insert(seed).second, "seeds",
                          absl::StrCat("has ", seed, " twice")));
  }
  return status;
}

constexpr absl::string_view kDataRoot = "data_root";

absl::StatusOr<Condition> ParseCondition(absl::string_view text) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("conditions: '", text, "' ", what));
  };
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  Condition condition;
  condition.name = std::string(sides.first);
  if (condition.name.empty() || sides.second.empty() ||
      !absl::c_all_of(condition.name, [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
      })) {
    return error(
        "is not NAME:PATH=VALUE[;PATH=VALUE]..., as in "
        "s050:net.model_scale_factor=0.5");
  }
  for (const absl::string_view setting : absl::StrSplit(sides.second, ';')) {
    const std::pair<absl::string_view, absl::string_view> assignment =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    if (assignment.first == "arms" || assignment.first == "train.seed") {
      return error(absl::StrCat("sets ", assignment.first,
                                ", which every condition of a study shares"));
    }
    if (assignment.first == kDataRoot) {
      condition.data_root = std::string(assignment.second);
    } else {
      condition.settings.emplace_back(setting);
    }
  }
  return condition;
}

// Whether the settings are fields of the experiment is Check's to say.
absl::StatusOr<ExperimentSpec> Under(const Condition& condition,
                                     ExperimentSpec spec) {
  const std::vector<base::SpecField> fields = base::Fields(spec);
  for (const std::string& setting : condition.settings) {
    const absl::StatusOr<std::string> path = base::SetByPath(fields, setting);
    if (!path.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "conditions: ", condition.name, ": ", path.status().message()));
    }
  }
  return spec;
}

}  // namespace

absl::StatusOr<std::vector<ExperimentSpec>> Experiments(
    const StudySpec& study) {
  if (study.conditions.empty()) return std::vector{study.experiment};
  std::vector<ExperimentSpec> experiments;
  for (const Condition& condition : study.conditions) {
    absl::StatusOr<ExperimentSpec> spec = Under(condition, study.experiment);
    if (!spec.ok()) return spec.status();
    experiments.push_back(*std::move(spec));
  }
  return experiments;
}

namespace {

absl::Status CheckConditions(const StudySpec& study,
                             absl::Span<const ExperimentSpec> experiments) {
  std::map<std::string, std::string> by_digest;
  std::set<std::string> names;
  for (size_t i = 0; i < study.conditions.size(); ++i) {
    const std::string& name = study.conditions[i].name;
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("conditions: the name ", name, " is there twice"));
    }
    const auto [same, inserted] =
        by_digest.emplace(Digest(experiments[i]), name);
    if (!inserted) {
      return absl::InvalidArgumentError(absl::StrCat(
          "conditions: ", name, " is the same experiment as ", same->second,
          "; data_root alone makes no difference, so two folders want two "
          "studies"));
    }
  }
  return absl::OkStatus();
}

void AddRecord(const fs::path& path, FoundRecords& found) {
  const absl::StatusOr<std::string> text = base::ReadSmallFile(path.string());
  if (!text.ok()) {
    found.unreadable.push_back(std::string(text.status().message()));
    return;
  }
  absl::StatusOr<ArmRecord> record = ParseArmRecord(*text);
  if (!record.ok()) {
    found.unreadable.push_back(
        absl::StrCat(path.string(), ": ", record.status().message()));
  } else if (record->finished) {
    found.records.push_back({path.string(), *std::move(record)});
  }
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> ParseSeeds(
    absl::Span<const std::string> texts) {
  int64_t count = 0;
  if (texts.size() == 1 && absl::SimpleAtoi(texts[0], &count)) {
    if (absl::Status status = RequireRange("seeds", count, 1, kMaxSeeds);
        !status.ok()) {
      return status;
    }
    return Range({1, count});
  }
  std::vector<int64_t> seeds;
  for (const std::string& text : texts) {
    const std::optional<std::pair<int64_t, int64_t>> ends = ParseRange(text);
    if (!ends.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "seeds: '", text,
          "' is no seed; give a number of seeds, as in 5, or a list of seeds "
          "and ranges, as in 3,5,8 or 6..10"));
    }
    // The difference first: it cannot overflow.
    if (ends->second - ends->first >= kMaxSeeds) return TooManySeeds();
    for (const int64_t seed : Range(*ends)) seeds.push_back(seed);
    if (seeds.size() > kMaxSeeds) return TooManySeeds();
  }
  if (absl::Status status = CheckSeeds(seeds); !status.ok()) return status;
  return seeds;
}

absl::Status Check(const StudySpec& study) {
  if (absl::Status status = CheckSeeds(study.seeds); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::vector<ExperimentSpec>> experiments = Experiments(study);
  if (!experiments.ok()) return experiments.status();
  for (size_t i = 0; i < experiments->size(); ++i) {
    ExperimentSpec& spec = (*experiments)[i];
    for (const int64_t seed : study.seeds) {
      spec.train.seed = seed;
      const absl::Status status = Check(spec);
      if (status.ok()) continue;
      if (study.conditions.empty()) return status;
      return absl::Status(status.code(),
                          absl::StrCat("conditions: ", study.conditions[i].name,
                                       ": ", status.message()));
    }
  }
  return CheckConditions(study, *experiments);
}

absl::StatusOr<std::vector<Condition>> ParseConditions(
    absl::Span<const std::string> texts) {
  std::vector<Condition> conditions;
  for (const std::string& text : texts) {
    absl::StatusOr<Condition> condition = ParseCondition(text);
    if (!condition.ok()) return condition.status();
    conditions.push_back(*std::move(condition));
  }
  return conditions;
}

std::string ToJson(const StudySpec& study) {
  json experiment = json::parse(base::ToJson(study.experiment));
  experiment["train"].erase("seed");
  json text = {{"experiment", std::move(experiment)}, {"seeds", study.seeds}};
  for (const Condition& condition : study.conditions) {
    text["conditions"].push_back(
        {{"name", condition.name}, {"settings", condition.settings}});
  }
  return text.dump(2);
}

std::string Cell::name() const {
  return absl::StrCat(arm, "-s", seed(), "-", digest);
}

std::vector<Cell> Cells(const StudySpec& study) {
  const std::vector<std::string> keys = ArmKeys(study.experiment);
  const absl::StatusOr<std::vector<ExperimentSpec>> experiments =
      Experiments(study);
  CHECK(experiments.ok()) << experiments.status();
  std::vector<Cell> cells;
  for (const int64_t seed : study.seeds) {
    for (size_t condition = 0; condition < experiments->size(); ++condition) {
      for (size_t i = 0; i < keys.size(); ++i) {
        Cell cell;
        cell.arm = keys[i];
        cell.policy = study.experiment.arms[i];
        cell.spec = (*experiments)[condition];
        cell.spec.arms = {cell.policy};
        cell.spec.train.seed = seed;
        cell.digest = Digest(cell.spec);
        cell.condition = condition;
        cells.push_back(std::move(cell));
      }
    }
  }
  return cells;
}

absl::StatusOr<FoundRecords> FindRecords(
    absl::Span<const std::string> directories) {
  // One directory may lie below another.
  std::set<fs::path> paths;
  for (const std::string& directory : directories) {
    std::error_code error;
    fs::recursive_directory_iterator it(
        directory, fs::directory_options::skip_permission_denied, error);
    for (; !error && it != fs::recursive_directory_iterator();
         it.increment(error)) {
      if (it->path().filename() == "arm.json") {
        paths.insert(fs::weakly_canonical(it->path(), error));
      }
    }
    if (error) {
      return absl::NotFoundError(absl::StrCat(
          "cannot look for arm.json in ", directory, ": ", error.message()));
    }
  }
  FoundRecords found;
  for (const fs::path& path : paths) AddRecord(path, found);
  return found;
}

bool IsOf(const ArmRecord& record, const Cell& cell) {
  return record.digest == cell.digest && record.policy == cell.policy &&
         record.seed == cell.seed();
}

std::vector<FoundRecord> ChooseRecords(absl::Span<const Cell> cells,
                                       absl::Span<const FoundRecord> records) {
  // By seed and condition.
  std::map<std::pair<int64_t, size_t>, std::map<Machine, Share>> shares;
  std::vector<std::map<Machine, const FoundRecord*>> by_cell(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    for (const FoundRecord& found : records) {
      if (!IsOf(found.record, cells[i])) continue;
      const Machine machine = MachineOf(found.record);
      if (!by_cell[i].emplace(machine, &found).second) continue;
      Share& share = shares[{cells[i].seed(), cells[i].condition}][machine];
      share.first_arm |= cells[i].arm == cells[0].arm;
      ++share.cells;
    }
  }
  std::vector<FoundRecord> chosen;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (by_cell[i].empty()) continue;
    const std::map<Machine, Share>& share =
        shares[{cells[i].seed(), cells[i].condition}];
    const auto best =
        std::max_element(by_cell[i].begin(), by_cell[i].end(),
                         [&](const auto& a, const auto& b) {
                           return share.at(a.first) < share.at(b.first);
                         });
    chosen.push_back(*best->second);
    chosen.back().condition = cells[i].condition;
  }
  return chosen;
}

}  // namespace cnn_fp4::experiments
