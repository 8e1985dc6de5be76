#ifndef DATA_FOLDER_DATASET_H_
#define DATA_FOLDER_DATASET_H_

// Images and masks in folders, the layout for a person's own data:
//
//   <root>/{train,val}/images/NAME.{png,jpg,jpeg}
//   <root>/{train,val}/{masks,labels}/NAME.png      masks/ if there are both
//
// or, when <root>/train.txt exists (the same for val), a list instead: a line
// is "image mask" separated by blanks, or by a tab if names have blanks, both
// relative to the root.
//
// Mask values are class indices and `ignore_index` means "do not count"; a set
// of masks (both splits) with no values but 0 and 255 is binary, 255 being
// class 1. The number of classes is 1 + the largest index found, or the number
// of names given.

#include <string>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

// Decodes every mask once, to find the classes and to check them against the
// images: about 2 ms a mask of 500x500 pixels.
// `title` begins Describe(); empty: "folder <root>".
absl::StatusOr<DatasetPair> OpenFolder(const DatasetSpec& spec,
                                       const ReadOptions& options,
                                       const std::string& title = "");

}  // namespace cnn_fp4::data

#endif  // DATA_FOLDER_DATASET_H_
