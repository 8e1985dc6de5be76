#ifndef DATA_DATASET_REGISTRY_H_
#define DATA_DATASET_REGISTRY_H_

// Opens a data set by name: the one door to all readers.
//
//   DatasetSpec spec;                 // The embedded nuclei images.
//   spec.dataset = "mvtec";
//   spec.category = "screw";
//   ReadOptions options;
//   options.data_root = "/data/mvtec_ad";
//   absl::StatusOr<DatasetPair> data = OpenDataset(spec, options);
//   LOG(INFO) << data->train->Describe();

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

// Errors of the two Checks; NotFound for a file or directory that is not there,
// DataLoss for a damaged one, FailedPrecondition for warnings under --strict:
// each one line that names the file or option and what to do.
absl::StatusOr<DatasetPair> OpenDataset(const DatasetSpec& spec,
                                        const ReadOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_DATASET_REGISTRY_H_
