#include "train/train_arm.h"

#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/dataset_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"
#include "nn/precision/policy.h"
#include "telemetry/statistics.h"
#include "train/arm_state.h"
#include "train/checkpoint.h"
#include "train/task.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kSteps = 8;

// Keeps every number, by step and key: "train/loss", "val/mean_iou", and of
// layers "std/gradients/enc1.conv1".
class Recorder : public telemetry::Sink {
 public:
  using Numbers = std::map<std::pair<int64_t, std::string>, double>;
  explicit Recorder(Numbers* numbers) : numbers_(numbers) {}

  absl::Status Write(const telemetry::Record& record) override {
    const telemetry::Payload& payload = record.payload;
    if (const auto* scalars = std::get_if<telemetry::Scalars>(&payload)) {
      for (const auto& [key, number] : scalars->values) {
        (*numbers_)[{scalars->step, key}] = number.value();
      }
    }
    if (const auto* stats = std::get_if<telemetry::LayerStats>(&payload)) {
      for (const auto& [id, value] : stats->values) {
        const std::string key = absl::StrCat(
            telemetry::Info(id).key, "/",
            telemetry::Info(stats->tensor).directory, "/", stats->layer);
        (*numbers_)[{stats->step, key}] = value;
      }
    }
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }
  std::string name() const override { return "recorder"; }

 private:
  Numbers* numbers_;
};

// Remembers which images were asked for.
class Witness : public data::Dataset {
 public:
  explicit Witness(std::shared_ptr<const data::Dataset> dataset)
      : dataset_(std::move(dataset)) {}
  int64_t size() const override { return dataset_->size(); }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    seen.push_back(index);
    return dataset_->Get(index);
  }
  const std::vector<std::string>& class_names() const override {
    return dataset_->class_names();
  }
  std::string Describe() const override { return dataset_->Describe(); }

  mutable std::vector<int64_t> seen;

 private:
  std::shared_ptr<const data::Dataset> dataset_;
};

class TrainArmTest : public ::testing::TestWithParam<std::string> {
 protected:
  TrainArmTest() {
    data::DatasetSpec spec;
    spec.dataset = "synthetic";
    spec.synthetic_count = 12;
    spec.synthetic_size = 48;
    auto opened = data::OpenDataset(spec, data::ReadOptions());
    EXPECT_TRUE(opened.ok()) << opened.status();
    datasets_ = *std::move(opened);
  }

  TestNet MakeNet(const std::string& policy) {
    TestNetOptions options;
    options.seed = 4;
    options.num_classes =
        static_cast<int64_t>(datasets_.train->class_names().size());
    return MakeTestNet(policy, options);
  }

  ArmOptions Options(const std::string& directory) {
    ArmOptions options;
    options.arm = "arm";
    options.train.steps = kSteps;
    options.train.warmup_steps = 2;
    options.train.validate_every = 4;
    options.train.seed = 9;
    options.batch.batch_size = 2;
    options.batch.crop = 32;
    options.logf = 4;
    if (!directory.empty()) {
      options.checkpoint_directory = ::testing::TempDir() + "/" + directory;
      fs::remove_all(options.checkpoint_directory);
    }
    return options;
  }

  absl::StatusOr<ArmResult> Train(const TestNet& test, ArmOptions options,
                                  Recorder::Numbers* numbers) {
    options.loss_scaling = test.loss_scaling;
    telemetry::Run run(std::make_unique<Recorder>(numbers));
    auto result = TrainArm(*CreateTask(TaskSpec()), *test.net, *test.context,
                           datasets_, options, base::ProgressMode::kOff, run);
    EXPECT_TRUE(run.Finish(0).ok());
    return result;
  }

  data::DatasetPair datasets_;
};

TEST_P(TrainArmTest, AResumedRunEqualsAnUninterruptedOneBitForBit) {
  const std::string policy = GetParam();
  Recorder::Numbers expected;
  const TestNet whole = MakeNet(policy);
  const auto whole_result = Train(whole, Options(""), &expected);
  ASSERT_TRUE(whole_result.ok()) << whole_result.status();
  EXPECT_TRUE(whole_result->finished);
  // The first step and every fourth.
  for (const int64_t step : {1, 4, 8}) {
    EXPECT_EQ(expected.count({step, "std/gradients/enc1.conv1"}), 1u) << step;
  }

  ArmOptions options = Options("resume_" + nn::Policy::Parse(policy)->Key());
  Recorder::Numbers actual;
  // Stopped between two checkpoints and in the middle of an epoch.
  int steps = 0;
  options.should_stop = [&steps] { return steps++ == 5; };
  const auto stopped = Train(MakeNet(policy), options, &actual);
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_FALSE(stopped->finished);
  EXPECT_EQ(stopped->steps_done, 5);
  options.should_stop = nullptr;
  const TestNet second = MakeNet(policy);
  const auto resumed = Train(second, options, &actual);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->finished);

  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [key, value] : expected) {
    const double other = actual.at(key);
    EXPECT_TRUE(other == value || (std::isnan(other) && std::isnan(value)))
        << "step " << key.first << " " << key.second << ": " << value
        << " became " << other;
  }
  const auto parameters = second.net->named_parameters();
  for (const auto& parameter : whole.net->named_parameters()) {
    EXPECT_TRUE(at::equal(parameter.value(), parameters[parameter.key()]))
        << parameter.key();
  }

  // A finished arm is not trained again.
  const TestNet third = MakeNet(policy);
  const auto again = Train(third, options, &actual);
  ASSERT_TRUE(again.ok());
  ASSERT_NE(Headline(again->metrics), nullptr);
  EXPECT_EQ(Headline(again->metrics)->key, "mean_iou");
  EXPECT_EQ(Headline(again->metrics)->value, Headline(resumed->metrics)->value);
  EXPECT_TRUE(
      at::equal(third.net->parameters()[0], second.net->parameters()[0]));
}

// Every policy, and one that draws random bits in the backward pass.
std::vector<std::string> TestedPolicies() {
  std::vector<std::string> policies;
  for (const nn::NamedPolicy& policy : nn::Policies()) {
    policies.push_back(policy.name);
  }
  policies.push_back("nvfp4:first=bf16:*/dgrad_dy=nvfp4+sr");
  return policies;
}

INSTANTIATE_TEST_SUITE_P(Policies, TrainArmTest,
                         ::testing::ValuesIn(TestedPolicies()),
                         [](const auto& info) {
                           return absl::StrReplaceAll(
                               nn::Policy::Parse(info.param)->Key(),
                               {{"-", "_"}, {".", "_"}});
                         });

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
  EXPECT_TRUE(fs::exists(BestCheckpointPath(options.checkpoint_directory)));
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
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(result.status().message(),
              HasSubstr("arm: validation after step 4: "));
  EXPECT_THAT(result.status().message(), HasSubstr("layer enc1.conv2"));
}

TEST_F(TrainArmTest, EveryStepMeasuredHasARate) {
  ArmOptions options = Options("");
  options.logf = 1;
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("fp32"), options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->median_step_seconds, 0);
}

TEST_F(TrainArmTest, CheckpointsDoNotGrowWithTheSteps) {
  ArmOptions options = Options("grow");
  options.logf = 1;
  options.train.validate_every = 0;
  options.train.steps = 300;
  options.checkpoint_every = 20;
  options.keep_checkpoints = 100;
  options.batch.crop = 16;
  options.batch.batch_size = 1;
  Recorder::Numbers numbers;
  ASSERT_TRUE(Train(MakeNet("fp32"), options, &numbers).ok());
  const auto size = [&](int64_t step) {
    return fs::file_size(CheckpointPath(options.checkpoint_directory, step));
  };
  // Times are kept of so many steps, and no more; the longest text of a double
  // has 24 characters, and a comma follows.
  EXPECT_LT(size(300), size(20) + StepTimes::kWindow * 25);
}

TEST_F(TrainArmTest, ACheckpointOfAnotherArmOrStepIsRefused) {
  ArmOptions options = Options("other");
  Recorder::Numbers numbers;
  ASSERT_TRUE(Train(MakeNet("fp16"), options, &numbers).ok());
  ArmOptions other = options;
  other.arm = "nvfp4";
  const auto arm = Train(MakeNet("nvfp4"), other, &numbers);
  EXPECT_THAT(arm.status().message(), HasSubstr("of the arm arm"));
  fs::rename(CheckpointPath(options.checkpoint_directory, kSteps),
             CheckpointPath(options.checkpoint_directory, 5));
  const auto step = Train(MakeNet("fp16"), options, &numbers);
  EXPECT_THAT(step.status().message(), HasSubstr("checkpoint of step 8"));
}

}  // namespace
}  // namespace cnn_fp4::train
