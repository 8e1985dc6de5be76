#ifndef TRAIN_TASK_H_
#define TRAIN_TASK_H_

// What a net learns: a loss, scores and pictures. The trainer knows this and no
// particular task; the tasks are in train/tasks, CreateTask is their registry.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/image.h"
#include "train/metric.h"
#include "train/train_spec.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {
struct Output;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

// Scores of a net over a data set, sample by sample.
class Evaluator {
 public:
  virtual ~Evaluator() = default;

  // `output` is the net's, of a batch that holds the sample's image alone.
  virtual void Add(const data::Sample& sample, const nn::Output& output) = 0;

  // As if what was added to `other`, an evaluator of the same task and data set
  // (CHECK), had been added here.
  virtual void Merge(const Evaluator& other) = 0;

  // Always the same metrics in the same order; one of them is the headline.
  virtual std::vector<Metric> Metrics() const = 0;
};

// A picture of samples with what each arm makes of them.
class Sheet {
 public:
  virtual ~Sheet() = default;

  // Adds an arm's output to the row of this sample, which is made at its first
  // time. Every arm adds the same samples.
  virtual void Add(const std::string& arm, const data::Sample& sample,
                   const nn::Output& output) = 0;

  // Writes a PNG file; does nothing without rows.
  virtual absl::Status Write(const std::string& path) const = 0;
};

class Task {
 public:
  virtual ~Task() = default;

  // FP32, scalar, differentiable.
  virtual at::Tensor Loss(const nn::Output& output,
                          const data::Batch& batch) const = 0;

  // For the validation images of `dataset`.
  virtual std::unique_ptr<Evaluator> NewEvaluator(
      const data::Dataset& dataset) const = 0;

  virtual std::unique_ptr<Sheet> NewSheet(
      const data::Dataset& dataset) const = 0;

  // Writes what the net says of an image to files below `directory`, each in a
  // subdirectory for its kind under the image's name without its ending.
  // `output` is the net's, of a batch that holds the image alone; the classes
  // are those that it was trained with.
  virtual absl::Status WritePrediction(
      const std::string& name, const data::Image& image,
      const nn::Output& output, absl::Span<const std::string> class_names,
      const std::string& directory) const = 0;
};

// The task that `spec` (which passes its Check) names.
std::unique_ptr<Task> CreateTask(const TaskSpec& spec);

}  // namespace cnn_fp4::train

#endif  // TRAIN_TASK_H_
