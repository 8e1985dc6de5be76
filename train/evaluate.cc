#include "train/evaluate.h"

#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "train/inference.h"

namespace cnn_fp4::train {
namespace {

using Visit = std::function<void(const data::Sample&, const nn::Output&)>;

absl::Status InferSample(nn::Net& net, nn::QuantContext& context,
                         const data::Dataset& dataset, int64_t index,
                         const data::BatchSpec& batch, const Visit& visit) {
  // The output's memory, and the loss on it, need no graph.
  const torch::NoGradGuard no_grad;
  const absl::StatusOr<data::Sample> sample = dataset.Get(index);
  if (!sample.ok()) return sample.status();
  const absl::StatusOr<nn::Output> output =
      Infer(net, context, sample->image, batch);
  if (!output.ok()) {
    return absl::Status(
        output.status().code(),
        absl::StrCat(sample->name, ": ", output.status().message()));
  }
  visit(*sample, *output);
  return absl::OkStatus();
}

absl::Status InferAll(nn::Net& net, nn::QuantContext& context,
                      const data::Dataset& dataset,
                      const data::BatchSpec& batch, const Visit& visit) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const absl::Status status =
        InferSample(net, context, dataset, i, batch, visit);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Metric>> Evaluate(const Task& task, nn::Net& net,
                                             nn::QuantContext& context,
                                             const data::Dataset& dataset,
                                             const data::BatchSpec& batch) {
  const std::unique_ptr<Evaluator> evaluator = task.NewEvaluator(dataset);
  const absl::Status status =
      InferAll(net, context, dataset, batch,
               [&](const data::Sample& sample, const nn::Output& output) {
                 evaluator->Add(sample, output);
               });
  if (!status.ok()) return status;
  return evaluator->Metrics();
}

absl::StatusOr<std::vector<std::unique_ptr<Evaluator>>> EvaluateEach(
    const Task& task, nn::Net& net, nn::QuantContext& context,
    const data::Dataset& dataset, const data::BatchSpec& batch) {
  std::vector<std::unique_ptr<Evaluator>> evaluators;
  const absl::Status status =
      InferAll(net, context, dataset, batch,
               [&](const data::Sample& sample, const nn::Output& output) {
                 evaluators.push_back(task.NewEvaluator(dataset));
                 evaluators.back()->Add(sample, output);
               });
  if (!status.ok()) return status;
  return evaluators;
}

absl::Status AddToSheet(const std::string& arm, nn::Net& net,
                        nn::QuantContext& context, const data::Dataset& dataset,
                        const data::BatchSpec& batch, int64_t count,
                        Sheet& sheet) {
  count = std::min(count, dataset.size());
  for (int64_t i = 0; i < count; ++i) {
    // Spread over the split: neighbours often look alike.
    const absl::Status status =
        InferSample(net, context, dataset, i * dataset.size() / count, batch,
                    [&](const data::Sample& sample, const nn::Output& output) {
                      sheet.Add(arm, sample, output);
                    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Predict(const Task& task, nn::Net& net, nn::QuantContext& context,
                     const std::string& name, const data::Image& image,
                     const data::BatchSpec& batch,
                     absl::Span<const std::string> class_names,
                     const std::string& directory) {
  const absl::StatusOr<nn::Output> output = Infer(net, context, image, batch);
  if (!output.ok()) {
    return absl::Status(output.status().code(),
                        absl::StrCat(name, ": ", output.status().message()));
  }
  return task.WritePrediction(name, image, *output, class_names, directory);
}

}  // namespace cnn_fp4::train
