#ifndef DATA_DATASET_H_
#define DATA_DATASET_H_

// A semantic segmentation dataset: images with a class for every pixel.
//
// Datasets are opened by OpenDataset (dataset_registry.h) and batched by Loader
// (loader.h). A reader checks at opening what is cheap to check (files, sizes
// of lists, annotations) and decodes images in Get, so an image that is damaged
// may fail only there.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/image.h"

namespace cnn_fp4::data {

struct Sample {
  std::string name;  // Unique within its dataset, e.g. "val/images/001.png".
  Image image;       // Always 3 channels, RGB; a grey file has them equal.
  // height * width classes, kIgnore where nothing is to be counted.
  std::vector<uint8_t> mask;
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  // At least 1: an empty split is an error at opening.
  virtual int64_t size() const = 0;

  // Reads and decodes sample `index` (0 <= index < size(), checked). Thread-
  // safe, and the same at every call as long as the files are. The error names
  // the file and the remedy.
  virtual absl::StatusOr<Sample> Get(int64_t index) const = 0;

  // Indexed by class; [0] is the background. At most kMaxClasses.
  virtual const std::vector<std::string>& class_names() const = 0;

  // One line for people: what, how many images, their sizes, the classes.
  virtual std::string Describe() const = 0;
};

struct DatasetPair {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> val;  // The same classes as train.
  // Of the data of both splits (data_digest.h). Empty for images that are
  // computed: the configuration says all of them.
  std::string digest;
  // What is suspicious but not refused, a line each (split_checks.h), for the
  // caller to show. Empty under ReadOptions::strict.
  std::vector<std::string> warnings;
};

}  // namespace cnn_fp4::data

#endif  // DATA_DATASET_H_
