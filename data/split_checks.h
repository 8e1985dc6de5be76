#ifndef DATA_SPLIT_CHECKS_H_
#define DATA_SPLIT_CHECKS_H_

// Finds data that cannot teach or cannot score, for all readers alike.
//
//   Finding                                               Outcome
//   ----------------------------------------------------  --------------------
//   no pixel of a split counts (all are ignored)          error
//   train has one class only                              error (*)
//   no COCO annotation of a class in train                error
//   val has one class only, or no annotation of a class   warning
//   images without any pixel that counts                  warning, first named
//   a class that train or val or both lack                warning, named
//   images turned by EXIF whose masks are not and have   warning, first named
//   the same size either way
//   images that train and val share, by path or content   warning, first named
//   images that are twice in a split, by path             warning, first named
//   one COCO category, image or annotation id, or name    error
//   of a category, twice
//   files that a reader skips, masks without image,       warning, first named
//   images that COCO's annotations do not list
//   masks of an MVTec defect without a defect             warning, first named
//
// (*) A warning where it was asked for, by --mvtec_subset=train.
//
// Warnings are sentences of one line without a full stop, in DatasetPair;
// training goes on unless --strict takes them for errors.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "data/mask_values.h"

namespace cnn_fp4::data {

// What a split has of each class.
struct SplitContents {
  std::string title;  // "folder /data/x, train".
  ClassCounts counts;
  const char* unit = "pixel";  // Or "annotation": without the background then.
};

// Checks both splits by the table above, down to the line about EXIF. Neither
// has more or fewer classes than `class_names`.
absl::Status CheckContents(const SplitContents& train, const SplitContents& val,
                           const std::vector<std::string>& class_names,
                           bool one_class_will_do,
                           std::vector<std::string>* warnings);

// Adds "WHERE: WHAT: 4 (a, b, c and 1 more)" if there are names.
void WarnOf(const std::string& where, const std::string& what,
            const std::vector<std::string>& names,
            std::vector<std::string>* warnings);

// "a", "b", "c" and "d": "a, b, c and 1 more".
std::string FirstFew(const std::vector<std::string>& names);

}  // namespace cnn_fp4::data

#endif  // DATA_SPLIT_CHECKS_H_
