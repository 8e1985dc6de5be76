#ifndef DATA_SYNTHETIC_DATASET_H_
#define DATA_SYNTHETIC_DATASET_H_

// Images made up from a seed, for smoke tests and for trying things without
// files: discs and boxes of random colour on a noisy gradient, up to six, later
// ones on top. Easy to segment, but not by brightness alone.
//
// Classes: background, disc, box. Integer arithmetic throughout, so every
// machine makes the same images.

#include "data/dataset.h"
#include "data/dataset_spec.h"

namespace cnn_fp4::data {

// Everything follows from spec.synthetic_count, spec.synthetic_size and
// options.seed. `spec` passes its Check (checked).
DatasetPair OpenSynthetic(const DatasetSpec& spec, const ReadOptions& options);

}  // namespace cnn_fp4::data

#endif  // DATA_SYNTHETIC_DATASET_H_
