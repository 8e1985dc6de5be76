#ifndef DATA_MVTEC_DATASET_H_
#define DATA_MVTEC_DATASET_H_

// MVTec AD (Bergmann et al., CVPR 2019) and datasets in its layout:
//
//   <root>/<category>/train/good/NNN.png
//   <root>/<category>/test/good/NNN.png
//   <root>/<category>/test/<defect>/NNN.png
//   <root>/<category>/ground_truth/<defect>/NNN_mask.png     (or NNN.png)
//
// The benchmark is unsupervised: its train folder has no defects. To train a
// segmentation net, the images of the chosen subset are split anew, a quarter
// of every folder for validation, by a hash of the path: the same split on
// every machine and whatever the seed. Scores compare with no published ones.
//
// Any mask value but 0 is a defect; good images have no mask and are
// background.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/image.h"

namespace cnn_fp4::data {

struct MvtecOptions {
  std::string root;
  // May be empty when `root` has test/ itself or has just one category.
  std::string category;
  // "binary": good, defect. "per_defect": good and each folder of defects.
  std::string labels = "binary";
  // "test": good and defects. "train": good only. "all": both.
  std::string subset = "test";
  int64_t max_pixels = kDefaultMaxPixels;
};

absl::StatusOr<DatasetPair> OpenMvtec(const MvtecOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_MVTEC_DATASET_H_
