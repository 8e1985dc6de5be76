#ifndef DATA_DATASET_REGISTRY_H_
#define DATA_DATASET_REGISTRY_H_

// Opens a dataset by name: the one door to all readers.
//
//   DatasetOptions options;                 // The embedded nuclei images.
//   options.dataset = "mvtec";
//   options.data_root = "/data/mvtec_ad";
//   options.category = "screw";
//   absl::StatusOr<DatasetPair> data = OpenDataset(options);
//   LOG(INFO) << data->train->Describe();

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/image.h"

namespace cnn_fp4::data {

struct DatasetOptions {
  // One of DatasetNames().
  std::string dataset = "nuclei";

  // The directory of the dataset; not used by "nuclei" and "synthetic".
  std::string data_root;

  // Names of the two splits. Empty: "train" and "val" (folder), "train2017" and
  // "val2017" (coco). Others have no named splits and refuse a value.
  std::string train_split;
  std::string val_split;

  // folder: the mask value that means "do not count", -1 for none. In a set of
  // masks with no values but 0 and 255, 255 is the foreground instead.
  int ignore_index = kIgnore;

  // folder: names by class; may name more classes than the masks show, never
  // fewer. coco: the categories to keep, without the background, in class
  // order; the others become background. Empty: all of them.
  std::vector<std::string> class_names;

  // mvtec: the category folder below data_root, e.g. "screw". May be empty when
  // data_root is that folder itself or has just one.
  std::string category;
  // mvtec: "binary" (good, defect) or "per_defect" (good and one class for each
  // defect folder, alphabetically).
  std::string mvtec_labels = "binary";
  // mvtec: "test" (good and defects, masks known), "train" (good only) or
  // "all".
  std::string mvtec_subset = "test";

  // Images that declare more are refused (width x height).
  int64_t max_pixels = kDefaultMaxPixels;

  // synthetic: everything follows from these three. The validation split has
  // a quarter of synthetic_count, at least one.
  uint64_t seed = 0;
  int synthetic_count = 64;
  int synthetic_size = 128;  // Width and height, at least 16.
};

// "nuclei", "folder", "mvtec", "coco", "synthetic".
const std::vector<std::string>& DatasetNames();

// InvalidArgument for an option that makes no sense, NotFound for a file or
// directory that is not there, DataLoss for a damaged one: each one line that
// names the file or option and what to do.
absl::StatusOr<DatasetPair> OpenDataset(const DatasetOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_DATASET_REGISTRY_H_
