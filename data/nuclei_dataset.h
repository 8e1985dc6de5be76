#ifndef DATA_NUCLEI_DATASET_H_
#define DATA_NUCLEI_DATASET_H_

// The embedded default: 82 microscope images of cell nuclei with binary masks,
// committed in data/nuclei (its README.md has provenance and licence) and found
// through Bazel's runfiles, whether the binary is started by `bazel run`,
// `bazel test` or by hand from bazel-bin.

#include <string>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

// The directory of the committed images.
absl::StatusOr<std::string> NucleiDirectory();

// Classes background and nucleus; 65 train and 17 val images. The data root of
// `options` is not read.
absl::StatusOr<DatasetPair> OpenNuclei(const ReadOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_NUCLEI_DATASET_H_
