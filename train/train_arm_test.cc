#include "train/train_arm.h"

#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <variant>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/statistics.h"

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

class TrainArmTest : public ::testing::TestWithParam<std::string> {
 protected:
  TrainArmTest() {
    data::DatasetOptions options;
    options.dataset = "synthetic";
    options.synthetic_count = 12;
    options.synthetic_size = 48;
    auto opened = data::OpenDataset(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    datasets_ = *std::move(opened);
    loader_.batch_size = 2;
    loader_.crop = 32;
    loader_.seed = 9;
  }

  std::unique_ptr<nn::UNet> MakeNet(const std::string& policy) {
    nn::UNetOptions options;
    options.model_scale_factor = 0.125;
    options.num_classes =
        static_cast<int64_t>(datasets_.train->class_names().size());
    return *nn::UNet::Create(options, *nn::FindConvPrecision(policy), 4);
  }

  ArmOptions Options(const std::string& directory) {
    ArmOptions options;
    options.model = "arm";
    options.steps = kSteps;
    options.learning_rate.warmup_steps = 2;
    options.logf = 4;
    options.validate_every = 4;
    if (!directory.empty()) {
      options.checkpoint_directory = ::testing::TempDir() + "/" + directory;
    }
    return options;
  }

  absl::StatusOr<ArmResult> Train(nn::UNet& net, const ArmOptions& options,
                                  Recorder::Numbers* numbers) {
    std::vector<std::unique_ptr<telemetry::Sink>> sinks;
    sinks.push_back(std::make_unique<Recorder>(numbers));
    telemetry::Run run(std::move(sinks));
    auto result = TrainArm(net, datasets_, loader_, options,
                           base::ProgressMode::kOff, run);
    EXPECT_TRUE(run.Finish(0).ok());
    return result;
  }

  data::DatasetPair datasets_;
  data::LoaderOptions loader_;
};

TEST_P(TrainArmTest, AResumedRunEqualsAnUninterruptedOneBitForBit) {
  const std::string policy = GetParam();
  Recorder::Numbers expected;
  const auto whole = MakeNet(policy);
  const auto whole_result = Train(*whole, Options(""), &expected);
  ASSERT_TRUE(whole_result.ok()) << whole_result.status();
  EXPECT_TRUE(whole_result->finished);
  // The first step and every fourth.
  for (const int64_t step : {1, 4, 8}) {
    EXPECT_EQ(expected.count({step, "std/gradients/enc1.conv1"}), 1u) << step;
  }

  ArmOptions options = Options("resume_" + policy);
  fs::remove_all(options.checkpoint_directory);
  Recorder::Numbers actual;
  // Stopped between two checkpoints and in the middle of an epoch.
  int steps = 0;
  options.should_stop = [&steps] { return steps++ == 5; };
  const auto first = MakeNet(policy);
  const auto stopped = Train(*first, options, &actual);
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_FALSE(stopped->finished);
  EXPECT_EQ(stopped->steps_done, 5);
  options.should_stop = nullptr;
  const auto second = MakeNet(policy);
  const auto resumed = Train(*second, options, &actual);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->finished);

  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [key, value] : expected) {
    const double other = actual.at(key);
    EXPECT_TRUE(other == value || (std::isnan(other) && std::isnan(value)))
        << "step " << key.first << " " << key.second << ": " << value
        << " became " << other;
  }
  for (size_t i = 0; i < whole->parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(*whole->parameters()[i].tensor,
                          *second->parameters()[i].tensor))
        << whole->parameters()[i].name;
  }

  // A finished arm is not trained again.
  const auto third = MakeNet(policy);
  const auto again = Train(*third, options, &actual);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->validation.mean_iou, resumed->validation.mean_iou);
  EXPECT_TRUE(at::equal(*third->parameters()[0].tensor,
                        *second->parameters()[0].tensor));
}

INSTANTIATE_TEST_SUITE_P(Policies, TrainArmTest,
                         ::testing::Values("fp32", "fp16", "nvfp4",
                                           "nvfp4_seed"),
                         [](const auto& info) { return info.param; });

TEST_F(TrainArmTest, BothArmsSeeTheSameBatchesFromTheSameWeights) {
  // In the first step FP16 and FP32 differ by rounding only.
  Recorder::Numbers fp32, fp16;
  ArmOptions options = Options("");
  options.steps = 1;
  const auto a = MakeNet("fp32"), b = MakeNet("fp16");
  ASSERT_TRUE(Train(*a, options, &fp32).ok());
  ASSERT_TRUE(Train(*b, options, &fp16).ok());
  const double difference =
      std::abs(fp32.at({1, "train/loss"}) - fp16.at({1, "train/loss"}));
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.01 * fp32.at({1, "train/loss"}));
}

TEST_F(TrainArmTest, TheLossComesDown) {
  Recorder::Numbers numbers;
  ArmOptions options = Options("");
  options.steps = 100;
  const auto net = MakeNet("nvfp4");
  const auto result = Train(*net, options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(result->train_loss, 0.8 * numbers.at({1, "train/loss"}));
  EXPECT_EQ(result->skipped_steps, 0);
  EXPECT_GT(result->median_step_seconds, 0);
}

TEST_F(TrainArmTest, ANonFiniteLossNamesTheFirstTensor) {
  for (const std::string policy : {"fp32", "nvfp4"}) {
    const auto net = MakeNet(policy);
    {
      const torch::NoGradGuard no_grad;
      at::Tensor weight = *net->layers()[3].weight;
      weight.flatten()[5] = std::numeric_limits<float>::infinity();
    }
    Recorder::Numbers numbers;
    const auto result = Train(*net, Options(""), &numbers);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(result.status().message(), HasSubstr("step 1"));
    EXPECT_THAT(result.status().message(),
                HasSubstr("parameter enc2.conv2.weight"));
  }
}

TEST_F(TrainArmTest, GradientsThatOverflowFp16AreSkippedAndTheScaleComesDown) {
  ArmOptions options = Options("");
  options.initial_loss_scale = 1e12;
  options.steps = 24;
  Recorder::Numbers numbers;
  const auto net = MakeNet("fp16");
  const auto result = Train(*net, options, &numbers);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->skipped_steps, 0);
  EXPECT_LT(result->skipped_steps, options.steps);
  EXPECT_LT(numbers.at({24, "train/loss_scale"}), 1e12);
}

TEST_F(TrainArmTest, GradientsThatStayBadStopTheArm) {
  ArmOptions options = Options("");
  options.initial_loss_scale = 1e30;
  options.steps = 100;
  Recorder::Numbers numbers;
  const auto net = MakeNet("fp16");
  const auto result = Train(*net, options, &numbers);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("gradient of"));
}

}  // namespace
}  // namespace cnn_fp4::train
