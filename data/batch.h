#ifndef DATA_BATCH_H_
#define DATA_BATCH_H_

// What Loader is asked for and what it gives.

#include <cstdint>
#include <vector>

#include "data/augment.h"

namespace cnn_fp4::data {

struct LoaderOptions {
  int batch_size = 4;
  // Width and height of what the batch holds. Smaller images are padded, not
  // enlarged: pixels with the mean (0 after normalisation), mask with kIgnore.
  int crop = 128;

  // Off: centre crop, nothing random but the order.
  bool augment = true;
  AugmentOptions augmentation;

  uint64_t seed = 0;
  // Threads that prepare batches; 0: Next() prepares them itself.
  int workers = 2;
  int prefetch = 4;  // Batches held ready, at least 1.

  // The first batch that Next() returns: for resuming.
  int64_t start_batch = 0;

  // (value / 255 - mean) / stddev, the same for all channels.
  float mean = 0.5f;
  float stddev = 0.25f;

  // Decoded samples are kept until this many bytes are used. 0: none.
  int64_t cache_bytes = int64_t{256} << 20;
};

struct Batch {
  int64_t index = 0;  // Counted over all epochs, from 0.
  int64_t epoch = 0;  // index / batches_per_epoch().
  int n = 0, c = 0, h = 0, w = 0;
  std::vector<float> image;             // NCHW, normalised.
  std::vector<int64_t> target;          // NHW, class or kIgnore.
  std::vector<int64_t> sample_indices;  // n, into the dataset.
};

}  // namespace cnn_fp4::data

#endif  // DATA_BATCH_H_
