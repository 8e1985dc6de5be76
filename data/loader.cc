#include "data/loader.h"

#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "data/batch.h"
#include "data/batch_maker.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "glog/logging.h"

namespace cnn_fp4::data {

// Workers claim batch indices in order and put what they made into `ready_`;
// Next() takes them out in order. A worker claims no index that is `prefetch`
// or more ahead of the next to be taken, which bounds the memory.
class Loader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const BatchSpec& spec,
       const LoaderOptions& options)
      : maker_(std::move(dataset), spec, options),
        prefetch_(options.prefetch),
        next_taken_(options.start_batch),
        next_claimed_(options.start_batch) {
    for (int64_t i = 0; i < options.workers; ++i) {
      workers_.emplace_back([this] { Work(); });
    }
  }

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    for (std::thread& worker : workers_) worker.join();
  }

  absl::StatusOr<Batch> Next() {
    if (!error_.ok()) return error_;
    absl::StatusOr<Batch> batch =
        workers_.empty() ? Make(next_taken_++) : Take();
    if (!batch.ok()) error_ = batch.status();
    return batch;
  }

 private:
  absl::StatusOr<Batch> Make(int64_t index) try {
    return maker_.Make(index);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "out of memory for a batch; a smaller --batch_size, --crop or "
        "--prefetch needs less");
  }

  absl::StatusOr<Batch> Take() {
    absl::MutexLock lock(&mutex_);
    const auto is_ready = [this] { return ready_.count(next_taken_) == 1; };
    mutex_.Await(absl::Condition(&is_ready));
    auto batch = ready_.extract(next_taken_++);
    return std::move(batch.mapped());
  }

  void Work() {
    const auto may_go_on = [this] {
      return stopping_ || next_claimed_ < next_taken_ + prefetch_;
    };
    while (true) {
      int64_t index;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&may_go_on));
        if (stopping_) return;
        index = next_claimed_++;
      }
      absl::StatusOr<Batch> batch = Make(index);
      absl::MutexLock lock(&mutex_);
      // Nobody asks for batches behind an error.
      if (!batch.ok()) stopping_ = true;
      ready_.emplace(index, std::move(batch));
    }
  }

  BatchMaker maker_;
  const int64_t prefetch_;
  absl::Status error_;  // Of the consumer's thread alone.

  absl::Mutex mutex_;
  // All under mutex_.
  bool stopping_ = false;
  int64_t next_taken_;
  int64_t next_claimed_;
  std::map<int64_t, absl::StatusOr<Batch>> ready_;

  std::vector<std::thread> workers_;  // Last: they use all of the above.
};

absl::StatusOr<std::unique_ptr<Loader>> Loader::Create(
    std::shared_ptr<const Dataset> dataset, const BatchSpec& spec,
    const LoaderOptions& options) {
  CHECK(dataset != nullptr);
  absl::Status status = Check(spec);
  status.Update(Check(options));
  if (!status.ok()) return status;
  return std::unique_ptr<Loader>(
      new Loader(std::make_unique<Impl>(std::move(dataset), spec, options)));
}

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Loader::~Loader() = default;

absl::StatusOr<Batch> Loader::Next() { return impl_->Next(); }

}  // namespace cnn_fp4::data
