#include "train/segmentation_task.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "data/normalize.h"
#include "train/nonfinite.h"

namespace cnn_fp4::train {
namespace {

constexpr double kDiceSmoothing = 1.0;

at::Tensor DiceLoss(const at::Tensor& logits, const at::Tensor& target,
                    const at::Tensor& counts) {
  const at::Tensor mask = counts.unsqueeze(1).to(at::kFloat);
  const at::Tensor truth =
      at::zeros_like(logits).scatter_(
          1, target.where(counts, at::zeros_like(target)).unsqueeze(1), 1.0) *
      mask;
  const at::Tensor p = at::softmax(logits, 1) * mask;
  const at::Tensor both = (p * truth).sum(at::IntArrayRef({0, 2, 3}));
  const at::Tensor either =
      p.sum(at::IntArrayRef({0, 2, 3})) + truth.sum(at::IntArrayRef({0, 2, 3}));
  return 1.0 -
         ((2.0 * both + kDiceSmoothing) / (either + kDiceSmoothing)).mean();
}

}  // namespace

at::Tensor SegmentationLoss(const at::Tensor& logits,
                            const at::Tensor& cpu_target, double dice_weight) {
  const at::Tensor target = cpu_target.to(logits.device());
  const at::Tensor counts = target.ne(data::kIgnore);
  if (!counts.any().item<bool>()) return logits.sum() * 0.0;
  const at::Tensor cross_entropy = at::cross_entropy_loss(
      logits, target, {}, at::Reduction::Mean, data::kIgnore);
  if (dice_weight == 0.0) return cross_entropy;
  return cross_entropy + dice_weight * DiceLoss(logits, target, counts);
}

at::Tensor ImageTensor(const data::Image& image, const data::BatchSpec& batch) {
  std::vector<float> values =
      data::NormalizeImage(image, batch.mean, batch.stddev);
  return at::from_blob(values.data(),
                       {1, image.channels, image.height, image.width},
                       at::kFloat)
      .clone();
}

absl::StatusOr<std::vector<int64_t>> Predict(nn::Net& net,
                                             nn::QuantContext& context,
                                             const data::Image& image,
                                             const data::BatchSpec& batch) {
  const absl::StatusOr<at::Tensor> logits =
      Infer(net, context, ImageTensor(image, batch));
  if (!logits.ok()) return logits.status();
  const at::Tensor classes = logits->argmax(1).cpu().contiguous();
  const int64_t* begin = classes.const_data_ptr<int64_t>();
  return std::vector<int64_t>(begin, begin + classes.numel());
}

absl::StatusOr<Evaluation> Evaluate(nn::Net& net, nn::QuantContext& context,
                                    const data::Dataset& dataset,
                                    const data::BatchSpec& batch,
                                    double dice_weight) {
  const torch::NoGradGuard no_grad;
  Evaluation evaluation{
      ConfusionMatrix(static_cast<int>(dataset.class_names().size()))};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    absl::StatusOr<data::Sample> sample = dataset.Get(i);
    if (!sample.ok()) return sample.status();
    const absl::StatusOr<at::Tensor> logits =
        Infer(net, context, ImageTensor(sample->image, batch));
    if (!logits.ok()) {
      return absl::Status(
          logits.status().code(),
          absl::StrCat(sample->name, ": ", logits.status().message()));
    }
    std::vector<int64_t> truth(sample->mask.begin(), sample->mask.end());
    const at::Tensor target = at::from_blob(
        truth.data(), {1, sample->image.height, sample->image.width},
        at::kLong);
    evaluation.loss +=
        SegmentationLoss(*logits, target, dice_weight).item<double>() /
        static_cast<double>(dataset.size());
    const at::Tensor classes = logits->argmax(1).cpu().contiguous();
    evaluation.confusion.Add(
        absl::MakeConstSpan(classes.const_data_ptr<int64_t>(), classes.numel()),
        truth);
  }
  return evaluation;
}

}  // namespace cnn_fp4::train
