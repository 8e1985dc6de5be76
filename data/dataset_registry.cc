#include "data/dataset_registry.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/coco_dataset.h"
#include "data/folder_dataset.h"
#include "data/mvtec_dataset.h"
#include "data/nuclei_dataset.h"
#include "data/synthetic_dataset.h"
#include "glog/logging.h"

namespace cnn_fp4::data {

absl::StatusOr<DatasetPair> OpenDataset(const DatasetSpec& spec,
                                        const ReadOptions& options) {
  absl::Status status = Check(spec);
  if (status.ok()) status = Check(options, spec);
  if (!status.ok()) return status;
  if (spec.dataset == "nuclei") return OpenNuclei(options);
  if (spec.dataset == "folder") return OpenFolder(spec, options);
  if (spec.dataset == "mvtec") return OpenMvtec(spec, options);
  if (spec.dataset == "coco") return OpenCoco(spec, options);
  CHECK_EQ(spec.dataset, "synthetic");
  return OpenSynthetic(spec, options);
}

}  // namespace cnn_fp4::data
