#ifndef DATA_COCO_DATASET_H_
#define DATA_COCO_DATASET_H_

// COCO 2017 as semantic segmentation:
//
//   <root>/annotations/instances_<split>.json    <root>/<split>/<file_name>
//
// Class 0 is the background; the categories follow by ascending id, without
// gaps (COCO's ids have some). Where annotations overlap the one of fewer
// pixels lies on top, of equals the later one: a cup in front of a table stays
// visible, which COCO's own order does not ensure. Crowd regions are kIgnore
// wherever no single object lies on them.
//
// Describe() says how many annotations each class has; split_checks.h has what
// is an error and what a warning.
//
// An image is turned as its EXIF data say, unless the JSON has the width and
// height of the image as it is stored and turning would exchange the two.

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

// Both splits must have the same categories. Every image must be there; it is
// decoded, and compared with the size in the JSON, only in Get.
absl::StatusOr<DatasetPair> OpenCoco(const DatasetSpec& spec,
                                     const ReadOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_COCO_DATASET_H_
