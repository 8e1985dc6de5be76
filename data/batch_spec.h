#ifndef DATA_BATCH_SPEC_H_
#define DATA_BATCH_SPEC_H_

// How images become batches (BatchSpec: part of what an experiment computes),
// and how they are fetched (LoaderOptions: a choice of the run that no number
// shows).

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace cnn_fp4::data {

struct BatchSpec {
  int64_t batch_size = 4;
  int64_t crop = 128;
  bool augment = true;
  bool horizontal_flip = true;
  bool vertical_flip = true;
  double min_scale = 0.8;
  double max_scale = 1.25;
  double foreground_probability = 0.0;
  double mean = 0.5;
  double stddev = 0.25;
  std::string normalization = "constants";

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("batch_size", self.batch_size, "Number of images in each step.");
    visit("crop", self.crop,
          "Width and height of the crops that are trained on. Smaller images "
          "are padded, not enlarged.");
    visit("augment", self.augment,
          "Whether crops have a random place, size and orientation; without "
          "it, they are the middle of each image.");
    visit("horizontal_flip", self.horizontal_flip,
          "Whether augmentation mirrors half of the crops left to right.");
    visit("vertical_flip", self.vertical_flip,
          "Whether augmentation mirrors half of the crops top to bottom.");
    visit("min_scale", self.min_scale,
          "Augmentation resizes each image by a random factor of at least "
          "this.");
    visit("max_scale", self.max_scale,
          "Augmentation resizes each image by a random factor of at most "
          "this.");
    visit("foreground_probability", self.foreground_probability,
          "Share of the crops that augmentation places around a pixel of the "
          "foreground, for data sets whose objects are so small that most "
          "crops would miss them.");
    visit("mean", self.mean,
          "It is subtracted from each channel of a pixel, whose values lie "
          "between 0 and 1.");
    visit("stddev", self.stddev,
          "Each channel is divided by it after the mean was subtracted.");
    visit("normalization", self.normalization,
          "constants: mean and stddev are those of the fields; "
          "//data:describe_dataset shows what they are in a data set. image: "
          "they are those of all values of each image, and the fields mean "
          "nothing.",
          "constants");
  }
};

struct LoaderOptions {
  int64_t workers = 2;
  int64_t prefetch = 4;
  int64_t cache_bytes = int64_t{256} << 20;

  // The caller's:
  uint64_t seed = 0;
  int64_t start_batch = 0;  // The first one that Next() gives: for resuming.

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("workers", self.workers,
          "Number of threads that prepare batches; with 0 the training thread "
          "does it itself.");
    visit("prefetch", self.prefetch, "Number of batches that are held ready.");
    visit("cache_bytes", self.cache_bytes,
          "Decoded images are kept until they fill this number of bytes; 0 "
          "means that none are.");
  }
};

// InvalidArgument that begins with the name of the field.
absl::Status Check(const BatchSpec& spec);
absl::Status Check(const LoaderOptions& options);

// Number of batches in an epoch over `num_images` images: an incomplete one at
// the end is dropped, unless it is the only one.
int64_t BatchesPerEpoch(int64_t num_images, const BatchSpec& spec);

}  // namespace cnn_fp4::data

#endif  // DATA_BATCH_SPEC_H_
