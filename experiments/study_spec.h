#ifndef EXPERIMENTS_STUDY_SPEC_H_
#define EXPERIMENTS_STUDY_SPEC_H_

// Which trainings a study consists of, and which of them are done.
//
// A study is a list of arms times a list of seeds, and, where it has conditions
// (data sets, widths of the net), times these. Each combination is a cell: the
// study's experiment with this arm alone and this seed. A cell is known by
// the digest of that experiment, which its arm.json carries; so a cell that was
// trained elsewhere, by another study or as an arm of an experiment, is the
// same cell.
//
//   const auto seeds = ParseSeeds({"5"});              // 1, 2, 3, 4, 5
//   const StudySpec study{experiment, *seeds};
//   for (const Cell& cell : Cells(study)) { ... cell.spec ... }
//
// Limit: a digest says which data set, but not what is in the user's folder.
// Cells of two folders are to be kept in two directories.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "experiments/arm_record.h"
#include "experiments/experiment_spec.h"

namespace cnn_fp4::experiments {

// Fields of the experiment with other values, under which all arms are trained
// and compared with each other: a data set, a width of the net.
struct Condition {
  std::string name;                   // "s050"; of [A-Za-z0-9_.-].
  std::vector<std::string> settings;  // "net.model_scale_factor=0.5"
  // Of the data set on this machine; empty: as without the condition.
  std::string data_root;
};

struct StudySpec {
  // Its arms are the study's; its train.seed means nothing, since each cell has
  // a seed of its own.
  ExperimentSpec experiment;
  std::vector<int64_t> seeds = {1, 2, 3, 4, 5};
  // Empty: the experiment as it is.
  std::vector<Condition> conditions;
};

// NAME:PATH=VALUE[;PATH=VALUE]... each, where PATH is a field of the experiment
// or data_root: {"screw:data.dataset=mvtec;data.category=screw;data_root=DIR"}.
// InvalidArgument that begins with "conditions" for anything else, for the
// arms or the seed among the fields, and for a name twice.
absl::StatusOr<std::vector<Condition>> ParseConditions(
    absl::Span<const std::string> texts);

// A number alone is a count: {"5"} is 1 to 5. More of them are a list: {"3",
// "8"} is these two. A range is one, too, alone or in a list: {"6..10"} is 6 to
// 10, and {"7..7"} the seed 7 alone. InvalidArgument that begins with "seeds"
// for anything else, for a seed twice and for more than 10,000 seeds.
absl::StatusOr<std::vector<int64_t>> ParseSeeds(
    absl::Span<const std::string> texts);

// The experiment's Check with each seed under each condition; there has to be a
// seed, and none twice, and no two conditions may be the same experiment (in
// which a data_root does not count).
absl::Status Check(const StudySpec& study);

// JSON with the experiment, without a seed, the seeds, and the conditions, if
// there are any, without their data_root, which is this machine's.
std::string ToJson(const StudySpec& study);

// The experiments whose arms are compared with each other: one for each
// condition, or the study's own. InvalidArgument that begins with "conditions"
// for a setting that is no field, or has a value that it cannot have.
absl::StatusOr<std::vector<ExperimentSpec>> Experiments(const StudySpec& study);

struct Cell {
  std::string arm;      // The policy's key.
  std::string policy;   // Its line of text.
  ExperimentSpec spec;  // Of this arm and seed alone.
  std::string digest;   // Of spec.
  // Index of its condition in the study; 0 if that has none.
  size_t condition = 0;

  int64_t seed() const { return spec.train.seed; }
  // "nvfp4-s2-0123abcd": its name as an experiment.
  std::string name() const;
};

// For a study that passes its Check. Seeds are the outer loop, and arms the
// inner one, so that a study that is stopped has whole seeds, which can be
// compared.
std::vector<Cell> Cells(const StudySpec& study);

// A finished arm.json.
struct FoundRecord {
  std::string path;
  ArmRecord record;
  // That of the cell that it was chosen for (ChooseRecords).
  size_t condition = 0;
};

// What lies below some directories.
struct FoundRecords {
  std::vector<FoundRecord> records;  // The finished ones, by path.
  // "PATH: why" for each arm.json that cannot be read.
  std::vector<std::string> unreadable;
};

// Follows no symbolic links below the directories. NotFound if one of them is
// no directory, naming it.
absl::StatusOr<FoundRecords> FindRecords(
    absl::Span<const std::string> directories);

// Whether the record is the cell's.
bool IsOf(const ArmRecord& record, const Cell& cell);

// At most one of the records for each cell, in the order of the cells. Where a
// cell was trained on several machines, that machine's is taken which has the
// first arm of the seed and condition and most of their cells: pairs are formed
// within a machine.
std::vector<FoundRecord> ChooseRecords(absl::Span<const Cell> cells,
                                       absl::Span<const FoundRecord> records);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_SPEC_H_
