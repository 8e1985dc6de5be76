#include "train/train_arm.h"

#include <torch/torch.h>

#include <filesystem>
#include <limits>
#include <map>

#include "data/dataset_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"
#include "nn/precision/policy.h"
#include "train/checkpoint.h"
#include "train/test_net.h"
#include "train/train_arm_fixture.h"

namespace cnn_fp4::train {
namespace {

using ::testing::HasSubstr;

TEST_F(TrainArmTest, EveryArmSeesTheSameBatchesFromTheSameWeights) {
  ArmOptions options = Options("");
  // The order in which images are read is that of the batches.
  options.loader.workers = 0;
  options.loader.cache_bytes = 0;
  const data::DatasetPair datasets = datasets_;
  std::map<std::string, std::vector<int64_t>> seen;
  std::map<std::string, at::Tensor> weights;
  for (const std::string policy : {"fp32", "fp16", "nvfp4"}) {
    const auto witness = std::make_shared<Witness>(datasets.train);
    datasets_.train = witness;
    const TestNet test = MakeNet(policy);
    weights[policy] = test.net->parameters()[0].clone();
    Recorder::Numbers numbers;
    ASSERT_TRUE(Train(test, options, &numbers).ok());
    seen[policy] = witness->seen;
  }
  EXPECT_EQ(seen["fp32"].size(), kSteps * 2u);
  EXPECT_EQ(seen["fp32"], seen["fp16"]);
  EXPECT_EQ(seen["fp32"], seen["nvfp4"]);
  EXPECT_TRUE(at::equal(weights["fp32"], weights["nvfp4"]));
}

TEST_F(TrainArmTest, TheLossComesDown) {
  Recorder::Numbers numbers;
  ArmOptions options = Options("");
  options.train.steps = 100;
  const auto result = Train(MakeNet("nvfp4"), options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(result->train_loss, 0.8 * numbers.at({1, "train/loss"}));
  EXPECT_EQ(result->skipped_steps, 0);
  EXPECT_GT(result->median_step_seconds, 0);
}

// Nothing here but this class knows the net, and nothing but the line of text
// its policy.
class TinyNet : public nn::Net {
 public:
  explicit TinyNet(int64_t classes)
      : body_(register_module(
            "body",
            nn::QuantConv2d(torch::nn::Conv2dOptions(3, 16, 3).padding(1)))),
        head_(register_module("head", nn::QuantConv2d(16, classes, 1))) {}
  nn::Output forward(const at::Tensor& images) override {
    return {head_->forward(at::relu(body_->forward(images)))};
  }
  nn::LayerRoles roles() const override {
    return {{"body"}, {"body"}, {"head"}};
  }

 private:
  nn::QuantConv2d body_, head_;
};

TEST_F(TrainArmTest, TrainsANetOfOnesOwn) {
  torch::manual_seed(1);
  TestNet test;
  test.net = std::make_shared<TinyNet>(
      static_cast<int64_t>(datasets_.train->class_names().size()));
  test.context = std::make_shared<nn::QuantContext>();
  const auto policy =
      nn::Policy::Parse("nvfp4:body/fprop_w=mxfp4:body/dgrad_dy=nvfp4+sr");
  ASSERT_TRUE(nn::Quantize(*test.net, *policy, test.context).ok());
  ArmOptions options = Options("own_net");
  options.train.steps = 60;
  options.train.learning_rate = 0.01;
  Recorder::Numbers numbers;
  const auto result = Train(test, options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(*result->train_loss, 0.8 * numbers.at({1, "train/loss"}));
  EXPECT_EQ(numbers.count({60, "sqnr_db/weights/quantized/body"}), 1u);
  EXPECT_TRUE(std::filesystem::exists(
      BestCheckpointPath(options.checkpoint_directory)));
}

TEST_F(TrainArmTest, ANonFiniteLossNamesTheFirstTensor) {
  for (const std::string policy : {"fp32", "nvfp4"}) {
    const TestNet test = MakeNet(policy);
    {
      const torch::NoGradGuard no_grad;
      test.net->named_parameters()["enc2.conv2.weight"].flatten()[5] =
          std::numeric_limits<float>::infinity();
    }
    Recorder::Numbers numbers;
    const auto result = Train(test, Options(""), &numbers);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(result.status().message(), HasSubstr("step 1"));
    EXPECT_THAT(result.status().message(),
                HasSubstr("parameter enc2.conv2.weight"));
  }
}

TEST_F(TrainArmTest, GradientsThatOverflowFp16AreSkippedAndTheScaleComesDown) {
  ArmOptions options = Options("");
  options.train.initial_loss_scale = 1e12;
  options.train.steps = 24;
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("fp16"), options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->skipped_steps, 0);
  EXPECT_LT(result->skipped_steps, options.train.steps);
  EXPECT_LT(numbers.at({24, "train/loss_scale"}), 1e12);
}

TEST_F(TrainArmTest, AStaticLossScaleStaysWhatItIs) {
  ArmOptions options = Options("");
  options.train.initial_loss_scale = 512;
  options.train.loss_scale_growth_interval = 1;
  Recorder::Numbers scaled, plain;
  ASSERT_TRUE(
      Train(MakeNet("fp32:loss_scaling=static"), options, &scaled).ok());
  ASSERT_TRUE(Train(MakeNet("fp32"), options, &plain).ok());
  EXPECT_EQ(scaled.at({kSteps, "train/loss_scale"}), 512);
  EXPECT_EQ(plain.at({kSteps, "train/loss_scale"}), 1);
  // A power of two in FP32 changes nothing.
  EXPECT_EQ(scaled.at({kSteps, "train/loss"}),
            plain.at({kSteps, "train/loss"}));
}

TEST_F(TrainArmTest, GradientsThatStayBadStopTheArm) {
  ArmOptions options = Options("");
  options.train.initial_loss_scale = 1e30;
  options.train.steps = 100;
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("fp16"), options, &numbers);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("gradient of"));
}

TEST_F(TrainArmTest, ScoresThatWereNeverMeasuredAreAbsent) {
  ArmOptions options = Options("");
  options.should_stop = [] { return true; };
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("fp32"), options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->steps_done, 0);
  EXPECT_FALSE(result->train_loss.has_value());
  EXPECT_TRUE(result->metrics.empty());
  EXPECT_FALSE(result->best.has_value());
}

// A net that overflows between the last step and the validation.
class Saboteur : public Witness {
 public:
  Saboteur(std::shared_ptr<const data::Dataset> dataset, const nn::Net& net)
      : Witness(std::move(dataset)), net_(net) {}
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    const torch::NoGradGuard no_grad;
    net_.named_parameters()["enc1.norm1.bias"].fill_(
        std::numeric_limits<float>::quiet_NaN());
    return Witness::Get(index);
  }

 private:
  const nn::Net& net_;
};

TEST_F(TrainArmTest, AnOperandThatIsNotFiniteInValidationEndsTheArm) {
  const TestNet test = MakeNet("nvfp4");
  datasets_.val = std::make_shared<Saboteur>(datasets_.val, *test.net);
  Recorder::Numbers numbers;
  const auto result = Train(test, Options(""), &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->finished);
  EXPECT_EQ(result->steps_done, 4);
  EXPECT_EQ(result->validation.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(result->validation.message(),
              HasSubstr("arm: validation after step 4: "));
  EXPECT_THAT(result->validation.message(), HasSubstr("layer enc1.conv2"));
}

TEST_F(TrainArmTest, EveryStepMeasuredHasARate) {
  ArmOptions options = Options("");
  options.logf = 1;
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("fp32"), options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->median_step_seconds, 0);
}

}  // namespace
}  // namespace cnn_fp4::train
