#include "data/dataset_registry.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/coco_dataset.h"
#include "data/folder_dataset.h"
#include "data/mvtec_dataset.h"
#include "data/nuclei_dataset.h"
#include "data/synthetic_dataset.h"
#include "glog/logging.h"

namespace cnn_fp4::data {

namespace {

absl::StatusOr<DatasetPair> Open(const DatasetSpec& spec,
                                 const ReadOptions& options) {
  if (spec.dataset == "nuclei") return OpenNuclei(options);
  if (spec.dataset == "folder") return OpenFolder(spec, options);
  if (spec.dataset == "mvtec") return OpenMvtec(spec, options);
  if (spec.dataset == "coco") return OpenCoco(spec, options);
  CHECK_EQ(spec.dataset, "synthetic");
  return OpenSynthetic(spec, options);
}

}  // namespace

absl::StatusOr<DatasetPair> OpenDataset(const DatasetSpec& spec,
                                        const ReadOptions& options) {
  absl::Status status = Check(spec);
  if (status.ok()) status = Check(options, spec);
  if (!status.ok()) return status;
  absl::StatusOr<DatasetPair> pair = Open(spec, options);
  if (!pair.ok() || !options.strict || pair->warnings.empty()) return pair;
  const size_t others = pair->warnings.size() - 1;
  return absl::FailedPreconditionError(absl::StrCat(
      pair->warnings[0],
      others == 0 ? ""
                  : absl::StrCat(" (and ", others, " more ",
                                 others == 1 ? "warning)" : "warnings)"),
      "; --strict takes warnings for errors"));
}

}  // namespace cnn_fp4::data
