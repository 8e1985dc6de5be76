#include "data/batch_maker.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "data/augment.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "data/rng.h"
#include "data/sample_cache.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

constexpr int kChannels = 3;
constexpr int kMaxCrop = 1 << 14;
constexpr int kMaxBatch = 1 << 16;
constexpr int kMaxWorkers = 1024;

// First part of the keys of random streams, so that they never coincide.
enum Stream : uint64_t { kOrderStream = 1, kAugmentStream = 2 };

absl::Status OutOfRange(const char* name, int64_t value, int64_t low,
                        int64_t high) {
  return absl::InvalidArgumentError(absl::StrCat(
      "loader: ", name, " is ", value, "; it must be ", low, " to ", high));
}

}  // namespace

absl::Status Validate(const LoaderOptions& options) {
  const struct {
    const char* name;
    int64_t value, low, high;
  } ranges[] = {
      {"batch_size", options.batch_size, 1, kMaxBatch},
      {"crop", options.crop, 1, kMaxCrop},
      {"workers", options.workers, 0, kMaxWorkers},
      {"prefetch", options.prefetch, 1, kMaxBatch},
      {"start_batch", options.start_batch, 0, INT64_MAX / 2},
      {"cache_bytes", options.cache_bytes, 0, INT64_MAX / 2},
  };
  for (const auto& range : ranges) {
    if (range.value < range.low || range.value > range.high) {
      return OutOfRange(range.name, range.value, range.low, range.high);
    }
  }
  if (!(options.stddev > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "loader: stddev is ", options.stddev, "; it must be positive"));
  }
  return Validate(options.augmentation);
}

BatchMaker::BatchMaker(std::shared_ptr<const Dataset> dataset,
                       const LoaderOptions& options)
    : options_(options),
      size_(dataset->size()),
      batches_per_epoch_(std::max<int64_t>(1, size_ / options.batch_size)),
      table_(NormalizationTable(options.mean, options.stddev)),
      cache_(std::move(dataset), options.cache_bytes) {
  CHECK(Validate(options).ok());
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
  Rng rng({kOrderStream, options_.seed, static_cast<uint64_t>(epoch)});
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
  Batch batch;
  batch.index = index;
  batch.epoch = index / batches_per_epoch_;
  batch.n = options_.batch_size;
  batch.c = kChannels;
  batch.h = batch.w = options_.crop;
  const size_t plane = static_cast<size_t>(options_.crop) * options_.crop;
  batch.image.resize(batch.n * kChannels * plane);
  batch.target.resize(batch.n * plane);
  const std::shared_ptr<const Order> order = EpochOrder(batch.epoch);
  const int64_t first = index % batches_per_epoch_ * options_.batch_size;
  for (int i = 0; i < batch.n; ++i) {
    // Beyond the end only in a dataset smaller than a batch.
    const int64_t sample_index = (*order)[(first + i) % size_];
    const int64_t round = (first + i) / size_;
    batch.sample_indices.push_back(sample_index);
    absl::StatusOr<std::shared_ptr<const Sample>> sample =
        cache_.Get(sample_index);
    if (!sample.ok()) return sample.status();
    CropPlacement placement = CentreCrop(**sample, options_.crop);
    if (options_.augment) {
      Rng rng(
          {kAugmentStream, options_.seed, static_cast<uint64_t>(batch.epoch),
           static_cast<uint64_t>(sample_index), static_cast<uint64_t>(round)});
      placement =
          DrawCrop(**sample, options_.crop, options_.augmentation, &rng);
    }
    WriteCrop(**sample, placement, options_.crop, table_,
              &batch.image[i * kChannels * plane], &batch.target[i * plane]);
  }
  return batch;
}

}  // namespace cnn_fp4::data
