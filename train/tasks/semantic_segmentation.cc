#include "train/tasks/semantic_segmentation.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/image.h"
#include "glog/logging.h"
#include "nn/net.h"
#include "train/tasks/confusion_matrix.h"
#include "viz/overlay.h"
#include "viz/png_file.h"

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

// [1, H, W]; points into `truth`.
at::Tensor TargetTensor(std::vector<int64_t>& truth, const data::Image& image) {
  return at::from_blob(truth.data(), {1, image.height, image.width}, at::kLong);
}

std::vector<int64_t> Classes(const nn::Output& output) {
  const at::Tensor classes = output.dense.argmax(1).cpu().contiguous();
  const int64_t* begin = classes.const_data_ptr<int64_t>();
  return {begin, begin + classes.numel()};
}

// More classes than this make a table that no terminal holds.
constexpr size_t kMaxClassColumns = 4;

class SegmentationEvaluator : public Evaluator {
 public:
  SegmentationEvaluator(const data::Dataset& dataset, double dice_weight)
      : class_names_(dataset.class_names()),
        num_images_(dataset.size()),
        dice_weight_(dice_weight),
        confusion_(static_cast<int>(class_names_.size())) {}

  void Add(const data::Sample& sample, const nn::Output& output) override {
    std::vector<int64_t> truth(sample.mask.begin(), sample.mask.end());
    loss_ += SegmentationLoss(output.dense, TargetTensor(truth, sample.image),
                              dice_weight_)
                 .item<double>() /
             static_cast<double>(num_images_);
    confusion_.Add(Classes(output), truth);
    const auto counts = [](int64_t cls) { return cls != data::kIgnore; };
    if (std::none_of(truth.begin(), truth.end(), counts)) ++images_ignored_;
  }

  void Merge(const Evaluator& other) override {
    const auto* const same = dynamic_cast<const SegmentationEvaluator*>(&other);
    CHECK(same != nullptr && same->class_names_ == class_names_ &&
          same->num_images_ == num_images_);
    loss_ += same->loss_;
    images_ignored_ += same->images_ignored_;
    confusion_.Merge(same->confusion_);
  }

  std::vector<Metric> Metrics() const override {
    std::vector<Metric> metrics;
    metrics.push_back({"loss", "val loss", "", MeanLoss(), false});
    metrics.push_back({"mean_iou", "mIoU", "", confusion_.MeanIou()});
    metrics.back().headline = true;
    metrics.push_back({"mean_dice", "mDice", "", confusion_.MeanDice()});
    const bool few = class_names_.size() - 1 <= kMaxClassColumns;
    for (int cls = 0; cls < confusion_.num_classes(); ++cls) {
      const std::string& name = class_names_[cls];
      metrics.push_back(
          {"iou/" + name, "IoU " + name, "", confusion_.Iou(cls)});
      // The background, class 0, is in the means.
      metrics.back().in_table = few && cls > 0;
      metrics.push_back(
          {"dice/" + name, "Dice " + name, "", confusion_.Dice(cls)});
      metrics.back().in_table = false;
    }
    return metrics;
  }

 private:
  // Over the images with a pixel that counts: the others have no loss. NaN if
  // there are no such images.
  double MeanLoss() const {
    if (images_ignored_ == 0) return loss_;
    const auto images = static_cast<double>(num_images_);
    return loss_ * (images / (images - static_cast<double>(images_ignored_)));
  }

  const std::vector<std::string> class_names_;
  const int64_t num_images_;
  const double dice_weight_;
  ConfusionMatrix confusion_;
  double loss_ = 0;  // Mean over images, those without a loss as 0.
  int64_t images_ignored_ = 0;
};

class OverlaySheet : public Sheet {
 public:
  explicit OverlaySheet(const data::Dataset& dataset)
      : class_names_(dataset.class_names()) {}

  void Add(const std::string& arm, const data::Sample& sample,
           const nn::Output& output) override {
    const data::Image& image = sample.image;
    const std::vector<int64_t> classes = Classes(output);
    Row(sample).predictions.push_back(
        {arm, {image.width, image.height, {classes.begin(), classes.end()}}});
  }

  absl::Status Write(const std::string& path) const override {
    if (rows_.empty()) return absl::OkStatus();
    return viz::WriteOverlaySheet(rows_, viz::DefaultClassStyles(class_names_),
                                  path);
  }

 private:
  viz::OverlayRow& Row(const data::Sample& sample) {
    for (viz::OverlayRow& row : rows_) {
      if (row.name == sample.name) return row;
    }
    const data::Image& image = sample.image;
    rows_.push_back(
        {sample.name,
         {image.width, image.height, image.pixels},
         {image.width, image.height, {sample.mask.begin(), sample.mask.end()}},
         {}});
    return rows_.back();
  }

  const std::vector<std::string> class_names_;
  std::vector<viz::OverlayRow> rows_;
};

class SemanticSegmentation : public Task {
 public:
  explicit SemanticSegmentation(const TaskSpec& spec) : spec_(spec) {}

  at::Tensor Loss(const nn::Output& output,
                  const data::Batch& batch) const override {
    // The batch outlives the tensor.
    const at::Tensor target =
        at::from_blob(const_cast<int64_t*>(batch.target.data()),
                      {batch.n, batch.h, batch.w}, at::kLong);
    return SegmentationLoss(output.dense, target, spec_.dice_weight);
  }

  std::unique_ptr<Evaluator> NewEvaluator(
      const data::Dataset& dataset) const override {
    return std::make_unique<SegmentationEvaluator>(dataset, spec_.dice_weight);
  }

  std::unique_ptr<Sheet> NewSheet(const data::Dataset& dataset) const override {
    return std::make_unique<OverlaySheet>(dataset);
  }

  // masks/NAME.png, grey with the index of the class as the value, and
  // overlays/NAME.png.
  absl::Status WritePrediction(const std::string& name,
                               const data::Image& image,
                               const nn::Output& output,
                               absl::Span<const std::string> class_names,
                               const std::string& directory) const override {
    const std::vector<int64_t> classes = Classes(output);
    const std::vector<uint8_t> values(classes.begin(), classes.end());
    absl::Status status =
        viz::WritePngFile(absl::StrCat(directory, "/masks/", name, ".png"),
                          image.width, image.height, /*channels=*/1, values);
    if (!status.ok()) return status;
    const viz::RgbImage overlay = viz::DrawOverlay(
        {image.width, image.height, image.pixels},
        {image.width, image.height, {classes.begin(), classes.end()}},
        viz::DefaultClassStyles(class_names));
    return viz::WritePngFile(
        absl::StrCat(directory, "/overlays/", name, ".png"), image.width,
        image.height, /*channels=*/3, overlay.pixels);
  }

 private:
  const TaskSpec spec_;
};

}  // namespace

std::unique_ptr<Task> NewSemanticSegmentation(const TaskSpec& spec) {
  return std::make_unique<SemanticSegmentation>(spec);
}

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

}  // namespace cnn_fp4::train
