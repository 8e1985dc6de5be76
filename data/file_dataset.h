#ifndef DATA_FILE_DATASET_H_
#define DATA_FILE_DATASET_H_

// A dataset of image files with one mask file each: what the folder, nuclei
// and MVTec readers have in common once they know which files belong together.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/data_digest.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/image_overlap.h"
#include "data/mask_values.h"

namespace cnn_fp4::data {

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
  ClassCounts counts;  // Of all masks, for Describe().
  std::string rule;    // Ends Describe(): what the values of masks mean.
};

// Reads the header of every image, so that Describe() can tell their sizes and
// a file of another kind is found before the training. `entries` is not empty
// (checked).
absl::StatusOr<std::shared_ptr<const Dataset>> OpenFileDataset(
    std::vector<FileEntry> entries, FileDatasetOptions options);

// The values of the entry's mask, of the same size as the image (checked);
// zeros only if it has none.
absl::StatusOr<MaskValues> ScanMask(const FileEntry& entry, int64_t max_pixels);

// Adds an entry to the digest of a data set: the name and the file's size of
// the image, and the values of the mask.
void AddToDigest(const FileEntry& entry, const MaskValues& mask,
                 DataDigest* digest);

// Names and paths of the images.
std::vector<ImageFile> ImagesOf(const std::vector<FileEntry>& entries);

// InvalidArgument unless the mask has the size of its image.
absl::Status CheckSameSize(const FileEntry& entry, ImageSize image,
                           ImageSize mask);

}  // namespace cnn_fp4::data

#endif  // DATA_FILE_DATASET_H_
