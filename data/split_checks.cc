#include "data/split_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cnn_fp4::data {
namespace {

constexpr size_t kFew = 3;

// The classes without a pixel, or without an annotation: the background cannot
// be annotated.
std::vector<std::string> Lacking(const SplitContents& split,
                                 const std::vector<std::string>& class_names,
                                 bool annotations) {
  std::vector<std::string> names;
  for (size_t i = annotations ? 1 : 0; i < class_names.size(); ++i) {
    if (split.counts.pixels[i] == 0) names.push_back(class_names[i]);
  }
  return names;
}

// The first class with a pixel.
std::string Present(const SplitContents& split,
                    const std::vector<std::string>& class_names) {
  size_t i = 0;
  while (split.counts.pixels[i] == 0) ++i;
  return class_names[i];
}

}  // namespace

std::string FirstFew(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kFew);
  std::string text = absl::StrJoin(names.begin(), names.begin() + shown, ", ");
  if (shown < names.size()) {
    absl::StrAppend(&text, " and ", names.size() - shown, " more");
  }
  return text;
}

void WarnOf(const std::string& where, const std::string& what,
            const std::vector<std::string>& names,
            std::vector<std::string>* warnings) {
  if (names.empty()) return;
  warnings->push_back(absl::StrCat(where, ": ", what, ": ", names.size(), " (",
                                   FirstFew(names), ")"));
}

absl::Status CheckContents(const SplitContents& train, const SplitContents& val,
                           const std::vector<std::string>& class_names,
                           bool one_class_will_do,
                           std::vector<std::string>* warnings) {
  const bool annotations = std::string(train.unit) != "pixel";
  for (const SplitContents* split : {&train, &val}) {
    const ClassCounts& counts = split->counts;
    const std::vector<std::string> lacking =
        Lacking(*split, class_names, annotations);
    const size_t present = class_names.size() - lacking.size();
    if (!annotations && present == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          split->title,
          ": every pixel of every mask is ignored, so there is nothing to ",
          split == &train ? "learn" : "score",
          "; check the masks and --ignore_index"));
    }
    if (present == 1) {
      const std::string what =
          absl::StrCat(split->title,
                       annotations ? ": no annotation of a class"
                                   : ": every pixel that counts is ",
                       annotations ? "" : Present(*split, class_names));
      if (split == &train && !one_class_will_do) {
        return absl::InvalidArgumentError(
            absl::StrCat(what,
                         ", so there is nothing to learn; add images of the "
                         "other classes, or correct the ",
                         annotations ? "annotations" : "masks"));
      }
      warnings->push_back(
          absl::StrCat(what, ", so there is nothing to ",
                       split == &train ? "learn" : "tell apart in scores"));
    }
    WarnOf(split->title,
           "masks that may lie wrong, since EXIF turns the image and not the "
           "mask",
           counts.doubtful, warnings);
    if (counts.images_ignored > 0) {
      warnings->push_back(absl::StrCat(
          split->title, ": ", counts.images_ignored, " of ", counts.images,
          " masks are ignored everywhere (first: ", counts.first_ignored,
          "); remove these images"));
    }
  }
  std::vector<std::string> in_train = Lacking(train, class_names, annotations);
  std::vector<std::string> in_val = Lacking(val, class_names, annotations);
  std::vector<std::string> in_both;
  for (const std::string& name : in_train) {
    const auto found = std::find(in_val.begin(), in_val.end(), name);
    if (found == in_val.end()) continue;
    in_both.push_back(name);
    in_val.erase(found);
  }
  for (const std::string& name : in_both) {
    in_train.erase(std::find(in_train.begin(), in_train.end(), name));
  }
  const auto warn = [&](const std::string& where,
                        const std::vector<std::string>& names,
                        const char* consequence) {
    if (names.empty()) return;
    warnings->push_back(absl::StrCat(where, ": no ", train.unit, " of ",
                                     FirstFew(names), ", ", consequence));
  };
  warn(train.title, in_train, "which val has and the net cannot learn");
  warn(val.title, in_val, "which train has and no score can tell of");
  warn("train and val", in_both, "whose outputs of the net learn nothing");
  return absl::OkStatus();
}

}  // namespace cnn_fp4::data
