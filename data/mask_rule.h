#ifndef DATA_MASK_RULE_H_
#define DATA_MASK_RULE_H_

// What the values of a folder's masks mean: one rule for all masks of both
// splits, decided from all of them, so that no single file can change the
// meaning of the others.
//
// A mask that has class numbers (1 to 254, without the ignored one) is a mask
// of classes; one of 0 and 255 alone, or of 255 alone, is binary; one of 0
// alone is neither. A value that equals --ignore_index is left out first,
// unless it is 255.
//
//   Masks                                   Rule
//   --------------------------------------  ----------------------------------
//   binary ones only                        255 is class 1
//   of classes only                         values are classes; 255 is ignored
//   both, and more than half are of         the same, if a mask of classes has
//   classes                                 255 as well, which tells that it
//                                           means "ignore"
//   both, otherwise                         refused: names a mask of the fewer
//                                           kind, with its value and pixels
//
// Values that can hardly be classes are refused, too, with what they look like:
//
//   Finding                                 Accepted with
//   --------------------------------------  ----------------------------------
//   a value above 254                       --ignore_index, if that is meant
//   255 that is not ignored, of classes     --ignore_index=255
//   numbers with gaps, or that begin at 1   --class_names for all up to the
//                                           largest
//   more than 64 classes                    the same
//   1, 2, ... N in each mask with another   the same
//   N (instances)
//   fewer than two classes                  nothing
//
// More names than there are classes are allowed: the net gets an output for
// each, and the reader warns of those without a pixel.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/mask_values.h"

namespace cnn_fp4::data {

struct MaskMeaning {
  MaskRule rule;
  std::vector<std::string> class_names;
  std::string text;  // "mask value 255 is foreground", for Describe().
  std::vector<std::string> warnings;
};

// Without names, no more classes than this.
inline constexpr int kMaxUnnamedClasses = 64;

// `root` begins messages about all masks, which are those of both splits. The
// other two are fields of DatasetSpec that passed its Check.
absl::StatusOr<MaskMeaning> DecideMeaning(
    const std::string& root, const std::vector<MaskValues>& masks,
    int64_t ignore_index, const std::vector<std::string>& class_names);

}  // namespace cnn_fp4::data

#endif  // DATA_MASK_RULE_H_
