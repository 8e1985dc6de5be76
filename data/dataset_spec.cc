#include "data/dataset_spec.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/spec_check.h"

namespace cnn_fp4::data {
namespace {

using base::Require;

constexpr int64_t kMaxSyntheticCount = 1 << 20;
constexpr int64_t kMinSyntheticSize = 16;
constexpr int64_t kMaxSyntheticSize = 4096;

// What a data set takes.
struct Traits {
  const char* name;
  bool has_data_root;
  bool has_named_splits;
  bool takes_class_names;
};

constexpr Traits kTraits[] = {
    {"nuclei", false, false, false},    {"folder", true, true, true},
    {"mvtec", true, false, false},      {"coco", true, true, true},
    {"synthetic", false, false, false},
};

const Traits* FindTraits(const std::string& name) {
  const auto* found = absl::c_find_if(
      kTraits, [&](const Traits& traits) { return traits.name == name; });
  return found == std::end(kTraits) ? nullptr : found;
}

absl::Status OneOf(const std::string& field, const std::string& value,
                   const std::vector<std::string>& known) {
  return Require(absl::c_linear_search(known, value), field,
                 absl::StrCat("'", value, "' is unknown; it is one of ",
                              absl::StrJoin(known, ", ")));
}

absl::Status CheckClassNames(const std::vector<std::string>& names) {
  absl::Status status = Require(
      names.size() <= kMaxClasses, "class_names",
      absl::StrCat("has ", names.size(), " names; at most ", kMaxClasses));
  std::set<std::string> seen;
  for (const std::string& name : names) {
    status.Update(Require(!name.empty(), "class_names", "has an empty name"));
    status.Update(Require(absl::c_none_of(name, absl::ascii_iscntrl),
                          "class_names",
                          "has a name with a line break or another control "
                          "character"));
    status.Update(Require(seen.insert(name).second, "class_names",
                          absl::StrCat("has '", name, "' twice")));
  }
  return status;
}

}  // namespace

const std::vector<std::string>& DatasetNames() {
  static const auto* const kNames = [] {
    auto* names = new std::vector<std::string>;
    for (const Traits& traits : kTraits) names->push_back(traits.name);
    return names;
  }();
  return *kNames;
}

absl::Status Check(const DatasetSpec& spec) {
  absl::Status status = OneOf("dataset", spec.dataset, DatasetNames());
  if (!status.ok()) return status;
  const Traits& traits = *FindTraits(spec.dataset);
  const DatasetSpec defaults;
  // A field that would be read by nobody is a misunderstanding.
  const auto only_for = [&](const char* field, bool is_default,
                            const char* readers) {
    status.Update(Require(is_default, field,
                          absl::StrCat("is for ", readers, " only; ",
                                       spec.dataset, " does not read it")));
  };
  if (spec.dataset != "mvtec") {
    only_for("category", spec.category.empty(), "mvtec");
    only_for("mvtec_labels", spec.mvtec_labels == defaults.mvtec_labels,
             "mvtec");
    only_for("mvtec_subset", spec.mvtec_subset == defaults.mvtec_subset,
             "mvtec");
  }
  if (!traits.has_named_splits) {
    only_for("train_split", spec.train_split.empty(), "folder and coco");
    only_for("val_split", spec.val_split.empty(), "folder and coco");
  }
  if (!traits.takes_class_names) {
    only_for("class_names", spec.class_names.empty(), "folder and coco");
  }
  if (spec.dataset != "folder") {
    only_for("ignore_index", spec.ignore_index == defaults.ignore_index,
             "folder");
  }
  if (spec.dataset != "synthetic") {
    only_for("synthetic_count",
             spec.synthetic_count == defaults.synthetic_count, "synthetic");
    only_for("synthetic_size", spec.synthetic_size == defaults.synthetic_size,
             "synthetic");
  }
  status.Update(
      OneOf("mvtec_labels", spec.mvtec_labels, {"binary", "per_defect"}));
  status.Update(
      OneOf("mvtec_subset", spec.mvtec_subset, {"train", "test", "all"}));
  status.Update(CheckClassNames(spec.class_names));
  status.Update(Require(spec.ignore_index >= -1 && spec.ignore_index <= 65535,
                        "ignore_index",
                        absl::StrCat(spec.ignore_index,
                                     " is no mask value; give 0 to 65535, or "
                                     "-1 for none")));
  status.Update(base::RequireRange("synthetic_count", spec.synthetic_count, 1,
                                   kMaxSyntheticCount));
  status.Update(base::RequireRange("synthetic_size", spec.synthetic_size,
                                   kMinSyntheticSize, kMaxSyntheticSize));
  return status;
}

absl::Status Check(const ReadOptions& options, const DatasetSpec& spec) {
  absl::Status status =
      base::RequireRange("max_pixels", options.max_pixels, 1, INT32_MAX);
  if (FindTraits(spec.dataset)->has_data_root) {
    status.Update(
        Require(!options.data_root.empty(), "data_root",
                absl::StrCat("is missing: --dataset=", spec.dataset,
                             " needs the directory of the data set")));
  } else {
    status.Update(Require(
        options.data_root.empty(), "data_root",
        absl::StrCat("is not read by --dataset=", spec.dataset,
                     "; for images of your own choose --dataset=folder")));
  }
  return status;
}

}  // namespace cnn_fp4::data
