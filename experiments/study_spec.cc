#include "experiments/study_spec.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/spec_check.h"
#include "experiments/study_statistics.h"
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

void AddRecord(const fs::path& path, FoundRecords& found) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  absl::StatusOr<ArmRecord> record = ParseArmRecord(text.str());
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
  ExperimentSpec spec = study.experiment;
  for (const int64_t seed : study.seeds) {
    spec.train.seed = seed;
    if (absl::Status status = Check(spec); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string ToJson(const StudySpec& study) {
  json experiment = json::parse(base::ToJson(study.experiment));
  experiment["train"].erase("seed");
  return json{{"experiment", std::move(experiment)}, {"seeds", study.seeds}}
      .dump(2);
}

std::string Cell::name() const {
  return absl::StrCat(arm, "-s", seed(), "-", digest);
}

std::vector<Cell> Cells(const StudySpec& study) {
  const std::vector<std::string> keys = ArmKeys(study.experiment);
  std::vector<Cell> cells;
  for (const int64_t seed : study.seeds) {
    for (size_t i = 0; i < keys.size(); ++i) {
      Cell cell;
      cell.arm = keys[i];
      cell.policy = study.experiment.arms[i];
      cell.spec = study.experiment;
      cell.spec.arms = {cell.policy};
      cell.spec.train.seed = seed;
      cell.digest = Digest(cell.spec);
      cells.push_back(std::move(cell));
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
  std::map<int64_t, std::map<Machine, Share>> shares;
  std::vector<std::map<Machine, const FoundRecord*>> by_cell(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    for (const FoundRecord& found : records) {
      if (!IsOf(found.record, cells[i])) continue;
      const Machine machine = MachineOf(found.record);
      if (!by_cell[i].emplace(machine, &found).second) continue;
      Share& share = shares[cells[i].seed()][machine];
      share.first_arm |= cells[i].arm == cells[0].arm;
      ++share.cells;
    }
  }
  std::vector<FoundRecord> chosen;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (by_cell[i].empty()) continue;
    const std::map<Machine, Share>& share = shares[cells[i].seed()];
    const auto best =
        std::max_element(by_cell[i].begin(), by_cell[i].end(),
                         [&](const auto& a, const auto& b) {
                           return share.at(a.first) < share.at(b.first);
                         });
    chosen.push_back(*best->second);
  }
  return chosen;
}

}  // namespace cnn_fp4::experiments
