#ifndef DATA_BATCH_H_
#define DATA_BATCH_H_

// What Loader gives.

#include <cstdint>
#include <vector>

namespace cnn_fp4::data {

struct Batch {
  int64_t index = 0;  // Counted over all epochs, from 0.
  int64_t epoch = 0;  // index / BatchesPerEpoch().
  int n = 0, c = 0, h = 0, w = 0;
  std::vector<float> image;             // NCHW, normalised.
  std::vector<int64_t> target;          // NHW, class or kIgnore.
  std::vector<int64_t> sample_indices;  // n, into the dataset.
};

}  // namespace cnn_fp4::data

#endif  // DATA_BATCH_H_
