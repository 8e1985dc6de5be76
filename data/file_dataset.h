#ifndef DATA_FILE_DATASET_H_
#define DATA_FILE_DATASET_H_

// A dataset of image files with one mask file each: what the folder, nuclei
// and MVTec readers have in common once they know which files belong together.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/image.h"

namespace cnn_fp4::data {

// From the values of a mask file to classes.
struct MaskRule {
  enum class Kind {
    kIndices,  // A value is its class.
    kBinary,   // 0 is the background, any other value is `foreground`.
  };
  Kind kind = Kind::kIndices;
  int ignore_value = -1;  // kIndices: becomes kIgnore. -1: none.
  uint8_t foreground = 1;
};

struct FileEntry {
  std::string name;
  std::string image_path;
  std::string mask_path;  // Empty: background everywhere.
  MaskRule rule;
};

struct FileDatasetOptions {
  std::string title;  // Begins Describe(), e.g. "folder /data/x, train".
  std::vector<std::string> class_names;
  int64_t max_pixels = kDefaultMaxPixels;
};

// Reads the header of every image, so that Describe() can tell their sizes and
// a file of another kind is found before the training. `entries` is not empty
// (checked).
absl::StatusOr<std::shared_ptr<const Dataset>> OpenFileDataset(
    std::vector<FileEntry> entries, FileDatasetOptions options);

// InvalidArgument unless the mask has the size of its image.
absl::Status CheckSameSize(const FileEntry& entry, ImageSize image,
                           ImageSize mask);

}  // namespace cnn_fp4::data

#endif  // DATA_FILE_DATASET_H_
