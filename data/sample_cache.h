#ifndef DATA_SAMPLE_CACHE_H_
#define DATA_SAMPLE_CACHE_H_

// Keeps decoded samples of a dataset in memory up to a limit.
//
// Nothing is evicted: an epoch visits every sample once, in random order, and
// under that pattern the first samples kept are as good as any, while evicting
// the oldest would miss every time.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "data/dataset.h"

namespace cnn_fp4::data {

class SampleCache {
 public:
  // `byte_limit` counts pixels and masks. 0: every Get decodes.
  SampleCache(std::shared_ptr<const Dataset> dataset, int64_t byte_limit);

  // Thread-safe. Two threads that ask for the same uncached sample both decode.
  absl::StatusOr<std::shared_ptr<const Sample>> Get(int64_t index);

  int64_t bytes() const;

 private:
  const std::shared_ptr<const Dataset> dataset_;
  const int64_t byte_limit_;
  mutable absl::Mutex mutex_;
  int64_t bytes_ = 0;                                   // Under mutex_.
  std::vector<std::shared_ptr<const Sample>> samples_;  // Under mutex_.
};

}  // namespace cnn_fp4::data

#endif  // DATA_SAMPLE_CACHE_H_
