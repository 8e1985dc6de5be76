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
// background. Folders of test/ without an image are skipped. Every mask is read
// at opening: split_checks.h has what is an error then and what a warning.

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

absl::StatusOr<DatasetPair> OpenMvtec(const DatasetSpec& spec,
                                      const ReadOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_MVTEC_DATASET_H_
