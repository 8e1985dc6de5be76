#ifndef DATA_FOLDER_DATASET_H_
#define DATA_FOLDER_DATASET_H_

// Images and masks in folders, the layout for a person's own data:
//
//   <root>/{train,val}/images/NAME.{png,jpg,jpeg}
//   <root>/{train,val}/{masks,labels}/NAME.png      masks/ if there are both
//
// or, when <root>/train.txt exists (the same for val), a list instead
// (list_file.h).
//
// mask_rule.h decides what the values of the masks mean, the same for all of
// both splits, and Describe() says it; split_checks.h has what is an error and
// what a warning. The number of classes is 1 + the largest found, or the number
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
