#include "data/mask_rule.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/image.h"

namespace cnn_fp4::data {
namespace {

constexpr int kForeground = 255;
constexpr uint16_t kForeground16 = 65535;
// From so many instances, and so many different numbers of them, on.
constexpr int kInstances = 5;
constexpr size_t kInstanceCounts = 3;

std::string Pixels(int64_t count) {
  return absl::StrCat(count, count == 1 ? " pixel" : " pixels");
}

std::string Masks(int64_t count) {
  return absl::StrCat(count, count == 1 ? " mask" : " masks");
}

// What one mask has of the values that matter.
struct Kind {
  bool has_class = false;
  bool has_foreground = false;  // 255.
  int rarest = 0;               // The class of the fewest pixels.
  int64_t rarest_pixels = 0;
  int between = 0;  // Classes other than 1.

  bool is_binary() const { return has_foreground && !has_class; }
};

class Decision {
 public:
  Decision(const std::string& root, const std::vector<MaskValues>& masks,
           int64_t ignore_index, const std::vector<std::string>& class_names)
      : root_(root),
        masks_(masks),
        ignore_(static_cast<int>(ignore_index)),
        names_(class_names) {}

  absl::StatusOr<MaskMeaning> Make() {
    absl::Status status = Survey();
    if (!status.ok()) return status;
    MaskMeaning meaning;
    if (of_classes_ == 0 && binary_ > 0) {
      meaning.rule.kind = MaskRule::Kind::kBinary;
      if (ignore_ != kForeground) meaning.rule.ignore_value = ignore_;
      found_ = 2;
      if (names_.size() == 1) {
        return absl::InvalidArgumentError(absl::StrCat(
            "--class_names has 1 name, but the masks in ", root_,
            " have 2 classes (0 and 255); name both, the background first"));
      }
    } else {
      meaning.rule.ignore_value = ignore_;
      if (binary_ > 0 && (with_both_ == 0 || ignore_ != kForeground ||
                          of_classes_ <= binary_)) {
        return Contradiction();
      }
      status = CheckClasses();
      if (!status.ok()) return status;
      if (binary_ > 0) {
        meaning.warnings.push_back(absl::StrCat(
            root_, ": ", Masks(binary_),
            " of background and ignored pixels only (first: ", first_binary_,
            "); 255 means \"ignore\" there, too"));
      }
    }
    if (found_ < 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          root_,
          ": all masks are background (or ignored) everywhere, so there is "
          "nothing to learn; check the masks and --ignore_index"));
    }
    MakeNames(&meaning);
    return meaning;
  }

 private:
  // Classifies the masks. A value that can be no class is reported here.
  absl::Status Survey() {
    for (const MaskValues& mask : masks_) {
      Kind kind;
      for (const auto& [value, count] : mask.counts) {
        if (value == kForeground) {
          kind.has_foreground = true;
          foreground_pixels_ += count;
          continue;
        }
        if (value == ignore_) continue;
        if (value > kIgnore) return NoClass(mask, value, count);
        pixels_[value] += count;
        if (value == 0) continue;
        kind.has_class = true;
        if (value > 1) ++kind.between;
        if (kind.rarest == 0 || count < kind.rarest_pixels) {
          kind.rarest = value;
          kind.rarest_pixels = count;
        }
      }
      if (kind.is_binary() && binary_++ == 0) first_binary_ = mask.path;
      if (kind.has_class) ++of_classes_;
      if (kind.has_class && kind.has_foreground) ++with_both_;
      kinds_.push_back(kind);
    }
    return absl::OkStatus();
  }

  static absl::Status NoClass(const MaskValues& mask, int value,
                              int64_t count) {
    return absl::InvalidArgumentError(absl::StrCat(
        mask.path, ": value ", value, " in ", Pixels(count),
        " is no class (0 to ", kMaxClasses - 1, "); ",
        value == kForeground16
            ? "it looks like a binary mask of 16 bits: store 0 and 255"
            : "it looks like instances or colours: store class numbers",
        ", or name the value with --ignore_index if it means \"ignore\""));
  }

  // The first mask of the kind that is rarer, and why it does not fit.
  absl::Status Contradiction() const {
    const bool of_classes = of_classes_ <= binary_;
    for (size_t i = 0; i < masks_.size(); ++i) {
      const Kind& kind = kinds_[i];
      if (of_classes ? !kind.has_class : !kind.is_binary()) continue;
      if (!of_classes) {
        return absl::InvalidArgumentError(absl::StrCat(
            masks_[i].path, ": value ", kForeground, " in ",
            Pixels(masks_[i].counts.back().second), " contradicts ",
            Masks(of_classes_),
            " that have class numbers without it; it looks like a mask of 0 "
            "and 255 among masks of classes: store the class number for 255, "
            "or another value that you name with --ignore_index if it means "
            "\"ignore\""));
      }
      const std::string remedy =
          kind.between > 1 && kind.has_foreground
              ? "it looks anti-aliased or resized: make it anew without "
                "smoothing, of 0 and 255 only"
          : kind.between > 1
              ? "it looks like class or instance numbers: store 0 and 255"
          : kind.has_foreground
              ? absl::StrCat(
                    "it looks like a stray value: store 0 or 255, or "
                    "pass --ignore_index=",
                    kind.rarest, " if it means \"ignore\"")
              : absl::StrCat("it looks like a mask of 0 and ", kind.rarest,
                             " among masks of 0 and 255: store 255 for it");
      return absl::InvalidArgumentError(absl::StrCat(
          masks_[i].path, ": value ", kind.rarest, " in ",
          Pixels(kind.rarest_pixels), " contradicts ", Masks(binary_),
          " of 0 and 255 only; ", remedy,
          "; if 255 means \"ignore\" everywhere, store another value for it "
          "and name that with --ignore_index"));
    }
    return absl::InternalError(root_);  // One of the two kinds is there.
  }

  // For masks of classes.
  absl::Status CheckClasses() {
    if (ignore_ != kForeground) {
      for (const MaskValues& mask : masks_) {
        if (mask.counts.back().first != kForeground) continue;
        return absl::InvalidArgumentError(absl::StrCat(
            mask.path, ": value 255 in ", Pixels(mask.counts.back().second),
            " is no class (0 to ", kMaxClasses - 1,
            "); pass --ignore_index=255 if it means \"ignore\""));
      }
    }
    for (int value = 0; value < kMaxClasses; ++value) {
      if (pixels_[value] > 0) found_ = value + 1;
    }
    if (!names_.empty()) {
      if (names_.size() >= static_cast<size_t>(found_)) return absl::OkStatus();
      return Refuse(
          static_cast<int>(names_.size()),
          absl::StrCat(" has no name: --class_names names ", names_.size(),
                       " classes (0 to ", names_.size() - 1, ")"),
          "name them all, the background first, or correct the mask");
    }
    int hole = 0;
    while (hole < found_ && pixels_[hole] > 0) ++hole;
    const std::string accept = absl::StrCat("if these are classes, name all ",
                                            found_, " with --class_names");
    if (hole < found_) {
      return Refuse(hole + 1,
                    absl::StrCat(" leaves a gap: no mask has the class ", hole),
                    absl::StrCat(LookLike(hole), "; ", accept));
    }
    if (found_ > kMaxUnnamedClasses) {
      return Refuse(kMaxUnnamedClasses,
                    absl::StrCat(" makes more than ", kMaxUnnamedClasses,
                                 " classes without names"),
                    absl::StrCat(LookLike(hole), "; ", accept));
    }
    if (LookLikeInstances()) {
      return Refuse(found_ - 1,
                    " is one of 1, 2, 3, ... that each mask has to another "
                    "end",
                    absl::StrCat("the masks look like instance numbers: store "
                                 "the class of each instance; ",
                                 accept));
    }
    return absl::OkStatus();
  }

  // Names the first mask with a class from `first` on. Of the classes there it
  // names that of the fewest pixels.
  absl::Status Refuse(int first, absl::string_view what,
                      absl::string_view remedy) const {
    const MaskValues* found = nullptr;
    int offender = 0;
    int64_t fewest = 0;
    int64_t others = -1;
    for (const MaskValues& mask : masks_) {
      bool has = false;
      for (const auto& [value, count] : mask.counts) {
        if (value < first || value == ignore_ || value == kForeground) continue;
        has = true;
        if (found != nullptr && found != &mask) break;
        if (found == nullptr || count < fewest) {
          found = &mask;
          offender = value;
          fewest = count;
        }
      }
      if (has) ++others;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(found->path, ": value ", offender, " in ", Pixels(fewest),
                     what, " (and so ", others, " other masks); ", remedy));
  }

  std::string LookLike(int hole) const {
    int values = 0;
    int64_t between = 0;  // Pixels.
    for (int value = 0; value < kMaxClasses; ++value) {
      if (pixels_[value] > 0) ++values;
      if (value > 0) between += pixels_[value];
    }
    size_t most = 0;
    for (const MaskValues& mask : masks_) {
      most = std::max(most, mask.counts.size());
    }
    if (values > 2 && foreground_pixels_ > between) {
      return "the masks look anti-aliased or resized, with values between 0 "
             "and 255: make them anew without smoothing";
    }
    if (with_both_ > 0 && values == 2 && pixels_[0] > 0) {
      return absl::StrCat(
          "the masks look like binary ones of 0 and 255: pass "
          "--ignore_index=",
          found_ - 1, " if ", found_ - 1, " means \"ignore\"");
    }
    if (values == 2 && pixels_[0] > 0) {
      return absl::StrCat(
          "the masks look like binary ones whose foreground "
          "is ",
          found_ - 1, ": store 1 or 255 for it");
    }
    if (hole == 0) {
      return "the masks look like classes that are counted from 1, without a "
             "background: store each less one";
    }
    if (most > kMaxUnnamedClasses) {
      return "the masks look like photographs: check that images/ and masks/ "
             "are not swapped";
    }
    if (values > 2 * kInstances) {
      return "the masks look like instance numbers or grey levels: store class "
             "numbers";
    }
    return "the masks look like class numbers with gaps, or have a stray "
           "value: number the classes 0, 1, 2, ...";
  }

  // 1 to N in every mask, to another N in many.
  bool LookLikeInstances() const {
    if (found_ <= kInstances) return false;
    std::set<int> ends;
    for (const MaskValues& mask : masks_) {
      int next = 1;
      for (const auto& [value, count] : mask.counts) {
        if (value == 0 || value == ignore_ || value == kForeground) continue;
        if (value != next) return false;
        ++next;
      }
      if (next > 1) ends.insert(next);
    }
    return ends.size() >= kInstanceCounts;
  }

  void MakeNames(MaskMeaning* meaning) const {
    meaning->class_names = names_;
    const bool binary = meaning->rule.kind == MaskRule::Kind::kBinary;
    std::vector<std::string>& names = meaning->class_names;
    if (names.empty()) {
      names.emplace_back("background");
      if (binary) names.emplace_back("foreground");
      while (names.size() < static_cast<size_t>(found_)) {
        names.push_back(absl::StrCat("class_", names.size()));
      }
    }
    meaning->text = binary ? absl::StrCat("mask value 255 is ",
                                          names.size() > 1 ? names[1] : "")
                           : "mask values are class numbers";
    if (meaning->rule.ignore_value >= 0) {
      absl::StrAppend(&meaning->text, ", ", meaning->rule.ignore_value,
                      " is ignored");
    }
  }

  const std::string& root_;
  const std::vector<MaskValues>& masks_;
  const int ignore_;
  const std::vector<std::string>& names_;

  std::vector<Kind> kinds_;                    // Of the masks.
  std::array<int64_t, kMaxClasses> pixels_{};  // By value.
  int64_t foreground_pixels_ = 0;
  int64_t binary_ = 0;
  int64_t of_classes_ = 0;
  int64_t with_both_ = 0;  // Of classes, with 255 as well.
  std::string first_binary_;
  int found_ = 0;  // 1 + the largest class.
};

}  // namespace

absl::StatusOr<MaskMeaning> DecideMeaning(
    const std::string& root, const std::vector<MaskValues>& masks,
    int64_t ignore_index, const std::vector<std::string>& class_names) {
  return Decision(root, masks, ignore_index, class_names).Make();
}

}  // namespace cnn_fp4::data
