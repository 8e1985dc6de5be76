#include "train/segmentation_task.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

using ::testing::HasSubstr;

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
  const TestNet test = MakeTestNet("fp32");
  const data::BatchSpec batch;
  const auto evaluation =
      Evaluate(*test.net, *test.context, OneImage(), batch, 1.0);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(
      evaluation->confusion.count(0, 0) + evaluation->confusion.count(0, 1),
      20 * 17 - 1);
  EXPECT_GT(evaluation->loss, 0.0);
  // Predict gives the very classes that were counted.
  int64_t ones = 0;
  const auto sample = OneImage().Get(0);
  const auto classes = Predict(*test.net, *test.context, sample->image, batch);
  ASSERT_TRUE(classes.ok()) << classes.status();
  for (size_t i = 1; i < classes->size(); ++i) ones += (*classes)[i];
  EXPECT_EQ(ones, evaluation->confusion.count(0, 1));
}

TEST(Evaluate, NormalisesAsTheBatchesDo) {
  data::BatchSpec batch;
  batch.mean = 0.25;
  batch.stddev = 0.5;
  const at::Tensor image = ImageTensor(OneImage().Get(0)->image, batch);
  EXPECT_EQ(image.sizes(), at::IntArrayRef({1, 3, 17, 20}));
  EXPECT_NEAR(image[0][1][2][3].item<double>(), (128 / 255.0 - 0.25) / 0.5,
              kTolerance);
}

TEST(Evaluate, AnOperandThatIsNotFiniteIsAnErrorThatNamesIt) {
  const TestNet test = MakeTestNet("nvfp4");
  {
    const torch::NoGradGuard no_grad;
    test.net->named_parameters()["enc1.norm1.bias"][0] =
        std::numeric_limits<float>::quiet_NaN();
  }
  const data::BatchSpec batch;
  const absl::Status evaluated =
      Evaluate(*test.net, *test.context, OneImage(), batch, 1.0).status();
  EXPECT_EQ(evaluated.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(evaluated.message(), HasSubstr("one: "));
  EXPECT_THAT(evaluated.message(), HasSubstr("layer enc1.conv2"));
  EXPECT_THAT(evaluated.message(), HasSubstr("parameter enc1.norm1.bias"));
  const absl::Status predicted =
      Predict(*test.net, *test.context, OneImage().Get(0)->image, batch)
          .status();
  EXPECT_EQ(predicted.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(predicted.message(), HasSubstr("layer enc1.conv2"));
}

}  // namespace
}  // namespace cnn_fp4::train
