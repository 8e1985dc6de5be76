#include "train/segmentation_task.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

constexpr double kTolerance = 16 * std::numeric_limits<float>::epsilon();

// Two classes, one image of 1 x 3 pixels: p(1) = sigmoid of the difference.
at::Tensor Logits() {
  return at::tensor({0.f, 0.f, 0.f, 2.f, -1.f, 5.f}).view({1, 2, 1, 3});
}

TEST(SegmentationLoss, IsCrossEntropyPlusDice) {
  const at::Tensor target =
      at::tensor({int64_t{1}, int64_t{0}, int64_t{data::kIgnore}})
          .view({1, 1, 3});
  const double p0 = 1 / (1 + std::exp(-2.0)), p1 = 1 / (1 + std::exp(1.0));
  const double cross_entropy = -(std::log(p0) + std::log(1 - p1)) / 2;
  // The ignored pixel is in no sum.
  const double dice1 = 1 - (2 * p0 + 1) / (p0 + p1 + 1 + 1);
  const double dice0 = 1 - (2 * (1 - p1) + 1) / ((1 - p0) + (1 - p1) + 1 + 1);
  EXPECT_NEAR(SegmentationLoss(Logits(), target, 0.0).item<double>(),
              cross_entropy, kTolerance);
  EXPECT_NEAR(SegmentationLoss(Logits(), target, 0.5).item<double>(),
              cross_entropy + 0.5 * (dice0 + dice1) / 2, kTolerance);
}

TEST(SegmentationLoss, IgnoredPixelsGetNoGradient) {
  const at::Tensor logits = Logits().requires_grad_();
  const at::Tensor target =
      at::tensor({int64_t{1}, int64_t{0}, int64_t{data::kIgnore}})
          .view({1, 1, 3});
  SegmentationLoss(logits, target, 1.0).backward();
  const at::Tensor gradient = logits.grad();
  EXPECT_EQ(gradient[0][0][0][2].item<float>(), 0.0f);
  EXPECT_EQ(gradient[0][1][0][2].item<float>(), 0.0f);
  EXPECT_NE(gradient[0][1][0][0].item<float>(), 0.0f);
}

TEST(SegmentationLoss, NothingToJudgeIsZeroAndNotNan) {
  const at::Tensor logits = Logits().requires_grad_();
  const at::Tensor target =
      at::full({1, 1, 3}, int64_t{data::kIgnore}, at::kLong);
  const at::Tensor loss = SegmentationLoss(logits, target, 1.0);
  loss.backward();
  EXPECT_EQ(loss.item<float>(), 0.0f);
  EXPECT_EQ(logits.grad().abs().sum().item<float>(), 0.0f);
}

class OneImage : public data::Dataset {
 public:
  int64_t size() const override { return 1; }
  absl::StatusOr<data::Sample> Get(int64_t) const override {
    data::Sample sample;
    sample.name = "one";
    sample.image = {20, 17, 3, std::vector<uint8_t>(20 * 17 * 3, 128)};
    sample.mask.assign(20 * 17, 0);
    sample.mask[0] = data::kIgnore;
    return sample;
  }
  const std::vector<std::string>& class_names() const override {
    return names_;
  }
  std::string Describe() const override { return "one image"; }

 private:
  std::vector<std::string> names_ = {"background", "thing"};
};

TEST(Evaluate, ScoresWholeImagesOfAnySize) {
  nn::UNetOptions options;
  options.model_scale_factor = 0.125;
  auto net = nn::UNet::Create(options, *nn::FindConvPrecision("fp32"), 3);
  ASSERT_TRUE(net.ok());
  const auto evaluation = Evaluate(**net, OneImage(), 1.0);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(
      evaluation->confusion.count(0, 0) + evaluation->confusion.count(0, 1),
      20 * 17 - 1);
  EXPECT_GT(evaluation->loss, 0.0);
  // Predict gives the very classes that were counted.
  int64_t ones = 0;
  const auto sample = OneImage().Get(0);
  const auto classes = Predict(**net, sample->image);
  for (size_t i = 1; i < classes.size(); ++i) ones += classes[i];
  EXPECT_EQ(ones, evaluation->confusion.count(0, 1));
}

}  // namespace
}  // namespace cnn_fp4::train
