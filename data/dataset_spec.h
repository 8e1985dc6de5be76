#ifndef DATA_DATASET_SPEC_H_
#define DATA_DATASET_SPEC_H_

// Which images with which labels are meant (DatasetSpec: part of what an
// experiment computes), and where they lie on this machine (ReadOptions: a
// choice of the run).

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "data/image.h"

namespace cnn_fp4::data {

struct DatasetSpec {
  std::string dataset = "nuclei";
  std::string category;
  std::string mvtec_labels = "binary";
  std::string mvtec_subset = "test";
  std::string train_split;
  std::string val_split;
  std::vector<std::string> class_names;
  int64_t ignore_index = kIgnore;
  int64_t synthetic_count = 64;
  int64_t synthetic_size = 128;

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("dataset", self.dataset,
          "The data set: nuclei (embedded in the program), folder, mvtec, coco "
          "or synthetic.");
    visit("category", self.category,
          "For mvtec: the folder of the category below data_root. It may be "
          "empty if there is only one.");
    visit("mvtec_labels", self.mvtec_labels,
          "For mvtec: binary (good and defect) or per_defect (good and a class "
          "for each folder of defects).");
    visit("mvtec_subset", self.mvtec_subset,
          "For mvtec: test (good images and defects), train (good ones only) "
          "or all.");
    visit("train_split", self.train_split,
          "For folder and coco: the name of the training split. Empty means "
          "train or train2017.");
    visit("val_split", self.val_split,
          "For folder and coco: the name of the validation split. Empty means "
          "val or val2017.");
    visit("class_names", self.class_names,
          "For folder: the names of the classes in the order of the mask "
          "values. For coco: the categories that are classes of their own; "
          "the others become background.");
    visit("ignore_index", self.ignore_index,
          "For folder: the mask value of pixels that do not count; -1 means "
          "none. Masks with no values but 0 and 255 are binary instead.");
    visit("synthetic_count", self.synthetic_count,
          "For synthetic: the number of training images. A quarter as many are "
          "made for validation.");
    visit("synthetic_size", self.synthetic_size,
          "For synthetic: the width and height of the images.");
  }
};

struct ReadOptions {
  std::string data_root;
  int64_t max_pixels = kDefaultMaxPixels;
  bool strict = false;
  uint64_t seed = 0;  // The caller's: synthetic images are drawn from it.

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("data_root", self.data_root,
          "The directory of the data set; nuclei and synthetic have none.");
    visit("max_pixels", self.max_pixels,
          "Images that declare more pixels are refused before any memory is "
          "taken for them.");
    visit("strict", self.strict,
          "Whether warnings about the data are errors: files that are skipped, "
          "images that both splits share, classes that one of them lacks. "
          "data/split_checks.h lists them all.");
  }
};

// "nuclei", "folder", "mvtec", "coco", "synthetic".
const std::vector<std::string>& DatasetNames();

// InvalidArgument that begins with the name of the field; so is a field that
// the data set does not use and that has not its default.
absl::Status Check(const DatasetSpec& spec);

// The same, for reading the data set that `spec` (which passes its Check)
// means.
absl::Status Check(const ReadOptions& options, const DatasetSpec& spec);

}  // namespace cnn_fp4::data

#endif  // DATA_DATASET_SPEC_H_
