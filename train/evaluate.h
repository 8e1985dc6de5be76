#ifndef TRAIN_EVALUATE_H_
#define TRAIN_EVALUATE_H_

// Scores and pictures of a net on whole images, one by one.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "data/image.h"
#include "train/metric.h"
#include "train/task.h"

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

// Errors are the data set's, and Infer's (train/inference.h) with the name of
// the image.
absl::StatusOr<std::vector<Metric>> Evaluate(const Task& task, nn::Net& net,
                                             nn::QuantContext& context,
                                             const data::Dataset& dataset,
                                             const data::BatchSpec& batch);

// An evaluator for each image, which has seen it alone: merged in this order
// they are Evaluate's. For asking how much a score depends on single images; an
// evaluator may take as much memory as there are pairs of classes. The same
// errors.
absl::StatusOr<std::vector<std::unique_ptr<Evaluator>>> EvaluateEach(
    const Task& task, nn::Net& net, nn::QuantContext& context,
    const data::Dataset& dataset, const data::BatchSpec& batch);

// Adds what the net makes of `count` images, spread over `dataset`, to `sheet`.
// The same errors.
absl::Status AddToSheet(const std::string& arm, nn::Net& net,
                        nn::QuantContext& context, const data::Dataset& dataset,
                        const data::BatchSpec& batch, int64_t count,
                        Sheet& sheet);

// Task::WritePrediction of what the net makes of an image. Errors: its, and
// Infer's with the name of the image.
absl::Status Predict(const Task& task, nn::Net& net, nn::QuantContext& context,
                     const std::string& name, const data::Image& image,
                     const data::BatchSpec& batch,
                     absl::Span<const std::string> class_names,
                     const std::string& directory);

}  // namespace cnn_fp4::train

#endif  // TRAIN_EVALUATE_H_
