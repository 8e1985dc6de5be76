#include "data/dataset_registry.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/coco_dataset.h"
#include "data/folder_dataset.h"
#include "data/mvtec_dataset.h"
#include "data/nuclei_dataset.h"
#include "data/synthetic_dataset.h"

namespace cnn_fp4::data {
namespace {

absl::StatusOr<DatasetPair> Nuclei(const DatasetOptions& options) {
  return OpenNuclei(options.max_pixels);
}

absl::StatusOr<DatasetPair> Folder(const DatasetOptions& options) {
  FolderOptions folder;
  folder.root = options.data_root;
  if (!options.train_split.empty()) folder.train_split = options.train_split;
  if (!options.val_split.empty()) folder.val_split = options.val_split;
  folder.ignore_index = options.ignore_index;
  folder.class_names = options.class_names;
  folder.max_pixels = options.max_pixels;
  return OpenFolder(folder);
}

absl::StatusOr<DatasetPair> Mvtec(const DatasetOptions& options) {
  MvtecOptions mvtec;
  mvtec.root = options.data_root;
  mvtec.category = options.category;
  mvtec.labels = options.mvtec_labels;
  mvtec.subset = options.mvtec_subset;
  mvtec.max_pixels = options.max_pixels;
  return OpenMvtec(mvtec);
}

absl::StatusOr<DatasetPair> Coco(const DatasetOptions& options) {
  CocoOptions coco;
  coco.root = options.data_root;
  if (!options.train_split.empty()) coco.train_split = options.train_split;
  if (!options.val_split.empty()) coco.val_split = options.val_split;
  coco.categories = options.class_names;
  coco.max_pixels = options.max_pixels;
  return OpenCoco(coco);
}

absl::StatusOr<DatasetPair> Synthetic(const DatasetOptions& options) {
  SyntheticOptions synthetic;
  synthetic.seed = options.seed;
  synthetic.count = options.synthetic_count;
  synthetic.size = options.synthetic_size;
  return OpenSynthetic(synthetic);
}

struct Reader {
  const char* name;
  bool needs_data_root;
  bool has_named_splits;
  bool takes_class_names;
  absl::StatusOr<DatasetPair> (*open)(const DatasetOptions&);
};

constexpr Reader kReaders[] = {
    {"nuclei", false, false, false, Nuclei},
    {"folder", true, true, true, Folder},
    {"mvtec", true, false, false, Mvtec},
    {"coco", true, true, true, Coco},
    {"synthetic", false, false, false, Synthetic},
};

absl::Status Check(const DatasetOptions& options, const Reader& reader) {
  if (reader.needs_data_root && options.data_root.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", reader.name,
                     " needs --data_root, the directory of the dataset"));
  }
  if (!reader.has_named_splits &&
      !(options.train_split.empty() && options.val_split.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", reader.name,
                     " has no named splits; leave train_split and val_split "
                     "empty"));
  }
  if (!reader.takes_class_names && !options.class_names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", reader.name,
                     " names its classes itself; leave "
                     "--class_names out"));
  }
  if (options.max_pixels < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_pixels is ", options.max_pixels, "; it must be at least 1"));
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<std::string>& DatasetNames() {
  static const auto* const kNames = [] {
    auto* names = new std::vector<std::string>;
    for (const Reader& reader : kReaders) names->push_back(reader.name);
    return names;
  }();
  return *kNames;
}

absl::StatusOr<DatasetPair> OpenDataset(const DatasetOptions& options) {
  for (const Reader& reader : kReaders) {
    if (options.dataset != reader.name) continue;
    absl::Status status = Check(options, reader);
    if (!status.ok()) return status;
    return reader.open(options);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--dataset=", options.dataset, " is unknown; it is one of ",
                   absl::StrJoin(DatasetNames(), ", ")));
}

}  // namespace cnn_fp4::data
