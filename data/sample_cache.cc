#include "data/sample_cache.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "data/dataset.h"

namespace cnn_fp4::data {

SampleCache::SampleCache(std::shared_ptr<const Dataset> dataset,
                         int64_t byte_limit)
    : dataset_(std::move(dataset)),
      byte_limit_(byte_limit),
      samples_(dataset_->size()) {}

absl::StatusOr<std::shared_ptr<const Sample>> SampleCache::Get(int64_t index) {
  {
    absl::MutexLock lock(&mutex_);
    if (samples_[index] != nullptr) return samples_[index];
  }
  absl::StatusOr<Sample> decoded = dataset_->Get(index);
  if (!decoded.ok()) return decoded.status();
  auto sample = std::make_shared<const Sample>(*std::move(decoded));
  const int64_t bytes =
      static_cast<int64_t>(sample->image.pixels.size() + sample->mask.size());
  absl::MutexLock lock(&mutex_);
  if (samples_[index] == nullptr && bytes_ + bytes <= byte_limit_) {
    samples_[index] = sample;
    bytes_ += bytes;
  }
  return sample;
}

int64_t SampleCache::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace cnn_fp4::data
