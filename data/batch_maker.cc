#include "data/batch_maker.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "data/augment.h"
#include "data/batch.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "data/rng.h"
#include "data/sample_cache.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

constexpr int kChannels = 3;

// First part of the keys of random streams, so that they never coincide.
enum Stream : uint64_t { kOrderStream = 1, kAugmentStream = 2 };

}  // namespace

BatchMaker::BatchMaker(std::shared_ptr<const Dataset> dataset,
                       const BatchSpec& spec, const LoaderOptions& options)
    : spec_(spec),
      seed_(options.seed),
      size_(dataset->size()),
      batches_per_epoch_(BatchesPerEpoch(size_, spec)),
      cache_(std::move(dataset), options.cache_bytes) {
  CHECK(Check(spec).ok());
  CHECK(Check(options).ok());
  CHECK_GE(size_, 1);
}

std::shared_ptr<const BatchMaker::Order> BatchMaker::EpochOrder(int64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = orders_.find(epoch);
    if (found != orders_.end()) return found->second;
  }
  auto order = std::make_shared<Order>(size_);
  std::iota(order->begin(), order->end(), 0);
  Rng rng({kOrderStream, seed_, static_cast<uint64_t>(epoch)});
  for (int64_t i = size_ - 1; i > 0; --i) {  // Fisher and Yates.
    std::swap((*order)[i], (*order)[rng.Below(static_cast<uint32_t>(i + 1))]);
  }
  absl::MutexLock lock(&mutex_);
  orders_[epoch] = order;
  // Workers are at most a queue apart, so the lowest epoch is done with.
  if (orders_.size() > 2) orders_.erase(orders_.begin());
  return order;
}

absl::StatusOr<Batch> BatchMaker::Make(int64_t index) {
  const int crop = static_cast<int>(spec_.crop);
  Batch batch;
  batch.index = index;
  batch.epoch = index / batches_per_epoch_;
  batch.n = static_cast<int>(spec_.batch_size);
  batch.c = kChannels;
  batch.h = batch.w = crop;
  const size_t plane = static_cast<size_t>(crop) * crop;
  batch.image.resize(batch.n * kChannels * plane);
  batch.target.resize(batch.n * plane);
  const std::shared_ptr<const Order> order = EpochOrder(batch.epoch);
  const int64_t first = index % batches_per_epoch_ * spec_.batch_size;
  for (int i = 0; i < batch.n; ++i) {
    // Beyond the end only in a dataset smaller than a batch.
    const int64_t sample_index = (*order)[(first + i) % size_];
    const int64_t round = (first + i) / size_;
    batch.sample_indices.push_back(sample_index);
    absl::StatusOr<std::shared_ptr<const Sample>> sample =
        cache_.Get(sample_index);
    if (!sample.ok()) return sample.status();
    CropPlacement placement = CentreCrop(**sample, crop);
    if (spec_.augment) {
      Rng rng({kAugmentStream, seed_, static_cast<uint64_t>(batch.epoch),
               static_cast<uint64_t>(sample_index),
               static_cast<uint64_t>(round)});
      placement = DrawCrop(**sample, spec_, &rng);
    }
    WriteCrop(**sample, placement, crop,
              NormalizationTable(spec_, (*sample)->image),
              &batch.image[i * kChannels * plane], &batch.target[i * plane]);
  }
  return batch;
}

}  // namespace cnn_fp4::data
