#ifndef DATA_SYNTHETIC_DATASET_H_
#define DATA_SYNTHETIC_DATASET_H_

// Images made up from a seed, for smoke tests and for trying things without
// files: discs and boxes of random colour on a noisy gradient, up to six, later
// ones on top. Easy to segment, but not by brightness alone.
//
// Classes: background, disc, box. Integer arithmetic throughout, so every
// machine makes the same images.

#include <cstdint>

#include "absl/status/statusor.h"
#include "data/dataset.h"

namespace cnn_fp4::data {

struct SyntheticOptions {
  uint64_t seed = 0;
  int count = 64;  // Of the training split; a quarter, at least 1, for val.
  int size = 128;  // Width and height, 16 to 4096.
};

absl::StatusOr<DatasetPair> OpenSynthetic(const SyntheticOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_SYNTHETIC_DATASET_H_
