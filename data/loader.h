#ifndef DATA_LOADER_H_
#define DATA_LOADER_H_

// Batches for training, in a fixed and endless order.
//
// A batch is a pure function of (dataset, spec, seed, batch index): the order
// of an epoch follows from (seed, epoch), the augmentation of a sample from
// (seed, epoch, sample). Neither the number of workers nor their timing shows,
// and a resumed run that sets start_batch sees what the uninterrupted one saw.
// The generators are integer ones of our own, so other standard libraries give
// the same batches.
//
// Workers prepare up to `prefetch` batches ahead. The last, incomplete batch of
// an epoch is dropped (its samples change from epoch to epoch); a dataset
// smaller than a batch has one batch an epoch, filled by going round.
//
//   absl::StatusOr<std::unique_ptr<Loader>> loader =
//       Loader::Create(data->train, batch_spec, options);
//   absl::StatusOr<Batch> batch = (*loader)->Next();

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "data/batch.h"
#include "data/batch_spec.h"
#include "data/dataset.h"

namespace cnn_fp4::data {

class Loader {
 public:
  // Errors are those of the two Checks.
  static absl::StatusOr<std::unique_ptr<Loader>> Create(
      std::shared_ptr<const Dataset> dataset, const BatchSpec& spec,
      const LoaderOptions& options);

  // Stops and joins the workers.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch. An error of the dataset arrives in place of the batch that
  // met it, and again at every later call. One caller at a time.
  absl::StatusOr<Batch> Next();

 private:
  class Impl;
  explicit Loader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cnn_fp4::data

#endif  // DATA_LOADER_H_
