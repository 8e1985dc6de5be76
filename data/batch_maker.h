#ifndef DATA_BATCH_MAKER_H_
#define DATA_BATCH_MAKER_H_

// The pure function behind Loader: batch index -> batch. Loader adds threads
// and the queue.

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "data/batch.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "data/sample_cache.h"

namespace cnn_fp4::data {

class BatchMaker {
 public:
  // Specification and options pass their Checks (checked).
  BatchMaker(std::shared_ptr<const Dataset> dataset, const BatchSpec& spec,
             const LoaderOptions& options);

  // Thread-safe.
  absl::StatusOr<Batch> Make(int64_t index);

 private:
  using Order = std::vector<int64_t>;
  std::shared_ptr<const Order> EpochOrder(int64_t epoch);

  const BatchSpec spec_;
  const uint64_t seed_;
  const int64_t size_;
  const int64_t batches_per_epoch_;
  SampleCache cache_;
  absl::Mutex mutex_;
  // Epochs that are being worked on: two at most times. Under mutex_.
  std::map<int64_t, std::shared_ptr<const Order>> orders_;
};

}  // namespace cnn_fp4::data

#endif  // DATA_BATCH_MAKER_H_
