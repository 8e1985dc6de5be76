#include "data/batch_spec.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/spec_check.h"

namespace cnn_fp4::data {
namespace {

using base::Require;
using base::RequireRange;

constexpr int64_t kMaxBatch = 1 << 16;
constexpr int64_t kMaxCrop = 1 << 14;
// Images and masks of a larger batch would take more than 1.3 GB.
constexpr int64_t kMaxBatchPixels = int64_t{1} << 26;
constexpr int64_t kMaxWorkers = 1024;

// Larger factors are typing errors.
constexpr double kSmallestScale = 1.0 / 16;
constexpr double kLargestScale = 16;

}  // namespace

absl::Status Check(const BatchSpec& spec) {
  absl::Status status;
  status.Update(RequireRange("batch_size", spec.batch_size, 1, kMaxBatch));
  status.Update(RequireRange("crop", spec.crop, 1, kMaxCrop));
  if (!status.ok()) return status;
  const int64_t pixels = spec.batch_size * spec.crop * spec.crop;
  status.Update(
      Require(pixels <= kMaxBatchPixels, "batch_size",
              absl::StrCat("and crop make a batch of ", pixels,
                           " pixels; at most ", kMaxBatchPixels, " fit")));
  status.Update(Require(
      spec.min_scale >= kSmallestScale && spec.min_scale <= spec.max_scale &&
          spec.max_scale <= kLargestScale,
      "min_scale",
      absl::StrCat("and max_scale are ", spec.min_scale, " and ",
                   spec.max_scale,
                   "; they must be in order and between 1/16 and 16")));
  status.Update(Require(
      spec.foreground_probability >= 0 && spec.foreground_probability <= 1,
      "foreground_probability",
      absl::StrCat("is ", spec.foreground_probability,
                   "; it must be between 0 and 1")));
  status.Update(Require(spec.augment || spec.foreground_probability == 0,
                        "foreground_probability",
                        "is a part of augmentation, which is off"));
  status.Update(Require(
      spec.mean >= -1e4 && spec.mean <= 1e4, "mean",
      absl::StrCat("is ", spec.mean, "; it must be between -1e4 and 1e4")));
  status.Update(Require(
      spec.stddev >= 1e-4 && spec.stddev <= 1e4, "stddev",
      absl::StrCat("is ", spec.stddev, "; it must be between 1e-4 and 1e4")));
  status.Update(Require(
      spec.normalization == "constants" || spec.normalization == "image",
      "normalization",
      absl::StrCat("is '", spec.normalization, "'; known: constants, image")));
  return status;
}

absl::Status Check(const LoaderOptions& options) {
  absl::Status status;
  status.Update(RequireRange("workers", options.workers, 0, kMaxWorkers));
  status.Update(RequireRange("prefetch", options.prefetch, 1, kMaxBatch));
  status.Update(
      RequireRange("cache_bytes", options.cache_bytes, 0, INT64_MAX / 2));
  status.Update(
      RequireRange("start_batch", options.start_batch, 0, INT64_MAX / 2));
  return status;
}

int64_t BatchesPerEpoch(int64_t num_images, const BatchSpec& spec) {
  return std::max<int64_t>(1, num_images / spec.batch_size);
}

}  // namespace cnn_fp4::data
