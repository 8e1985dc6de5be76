#include "train/tasks/semantic_segmentation.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "train/evaluate.h"
#include "train/inference.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

using ::testing::ElementsAre;
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

double Value(const std::vector<Metric>& metrics, const std::string& key) {
  for (const Metric& metric : metrics) {
    if (metric.key == key) return metric.value;
  }
  ADD_FAILURE() << "no metric " << key;
  return 0;
}

// Logits that answer class 1 in the first `ones` pixels and 0 elsewhere.
nn::Output Answer(int64_t ones) {
  at::Tensor logits = at::zeros({1, 2, 17, 20});
  logits[0][0].fill_(1.0f);
  logits[0][1].flatten().slice(0, 0, ones).fill_(2.0f);
  return {logits};
}

TEST(SemanticSegmentation, MetricsHaveStableKeysAndValues) {
  const auto task = CreateTask(TaskSpec());
  const auto evaluator = task->NewEvaluator(OneImage());
  // The truth is background everywhere, the first pixel is ignored.
  evaluator->Add(*OneImage().Get(0), Answer(4));
  const std::vector<Metric> metrics = evaluator->Metrics();
  std::vector<std::string> keys, in_table;
  for (const Metric& metric : metrics) {
    keys.push_back(metric.key);
    if (metric.in_table) in_table.push_back(metric.title);
  }
  EXPECT_THAT(keys,
              ElementsAre("loss", "mean_iou", "mean_dice", "iou/background",
                          "dice/background", "iou/thing", "dice/thing"));
  EXPECT_THAT(in_table, ElementsAre("val loss", "mIoU", "mDice", "IoU thing"));
  EXPECT_EQ(Headline(metrics)->key, "mean_iou");
  EXPECT_FALSE(metrics[0].higher_is_better);
  EXPECT_EQ(Value(metrics, "iou/background"), 336.0 / 339);
  EXPECT_EQ(Value(metrics, "iou/thing"), 0.0);
  EXPECT_EQ(Value(metrics, "mean_iou"), 336.0 / 339 / 2);
  EXPECT_GT(Value(metrics, "loss"), 0.0);
}

TEST(SemanticSegmentation, ImagesWithoutAPixelThatCountsHaveNoPartInTheLoss) {
  class TwoImages : public OneImage {
    int64_t size() const override { return 2; }
  };
  const auto task = CreateTask(TaskSpec());
  const auto alone = task->NewEvaluator(OneImage());
  alone->Add(*OneImage().Get(0), Answer(4));
  data::Sample ignored = *OneImage().Get(0);
  ignored.mask.assign(ignored.mask.size(), data::kIgnore);
  const auto both = task->NewEvaluator(TwoImages());
  both->Add(*OneImage().Get(0), Answer(4));
  const auto second = task->NewEvaluator(TwoImages());
  second->Add(ignored, Answer(9));
  both->Merge(*second);
  EXPECT_DOUBLE_EQ(Value(both->Metrics(), "loss"),
                   Value(alone->Metrics(), "loss"));
  const auto nothing = task->NewEvaluator(OneImage());
  nothing->Add(ignored, Answer(9));
  EXPECT_TRUE(std::isnan(Value(nothing->Metrics(), "loss")));
}

TEST(SemanticSegmentation, EvaluatorsMerge) {
  class TwoImages : public OneImage {
    int64_t size() const override { return 2; }
  };
  const auto task = CreateTask(TaskSpec());
  const auto whole = task->NewEvaluator(TwoImages());
  const auto a = task->NewEvaluator(TwoImages());
  const auto b = task->NewEvaluator(TwoImages());
  const data::Sample sample = *OneImage().Get(0);
  for (const int64_t ones : {4, 50}) {
    whole->Add(sample, Answer(ones));
    (ones == 4 ? a : b)->Add(sample, Answer(ones));
  }
  a->Merge(*b);
  const std::vector<Metric> expected = whole->Metrics();
  const std::vector<Metric> actual = a->Metrics();
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].value, expected[i].value) << expected[i].key;
  }
  EXPECT_EQ(Value(actual, "iou/background"), (336.0 + 290) / (2 * 339));
}

TEST(Evaluate, ScoresWholeImagesOfAnySize) {
  const TestNet test = MakeTestNet("fp32");
  const auto task = CreateTask(TaskSpec());
  const auto metrics =
      Evaluate(*task, *test.net, *test.context, OneImage(), data::BatchSpec());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_GT(Value(*metrics, "loss"), 0.0);
  // The share of the background, by the net's own answer.
  const auto output = Infer(*test.net, *test.context, OneImage().Get(0)->image,
                            data::BatchSpec());
  ASSERT_TRUE(output.ok()) << output.status();
  const at::Tensor classes = output->dense.argmax(1).flatten().slice(0, 1);
  EXPECT_EQ(Value(*metrics, "iou/background"),
            classes.eq(0).sum().item<double>() / (20 * 17 - 1));
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
  const auto task = CreateTask(TaskSpec());
  const absl::Status evaluated =
      Evaluate(*task, *test.net, *test.context, OneImage(), data::BatchSpec())
          .status();
  EXPECT_EQ(evaluated.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(evaluated.message(), HasSubstr("one: "));
  EXPECT_THAT(evaluated.message(), HasSubstr("layer enc1.conv2"));
  EXPECT_THAT(evaluated.message(), HasSubstr("parameter enc1.norm1.bias"));
  const auto sheet = task->NewSheet(OneImage());
  const absl::Status drawn =
      AddToSheet("nvfp4", *test.net, *test.context, OneImage(),
                 data::BatchSpec(), 1, *sheet);
  EXPECT_EQ(drawn.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(drawn.message(), HasSubstr("layer enc1.conv2"));
}

}  // namespace
}  // namespace cnn_fp4::train
