// Checkpoints of TrainArm, and trainings that go on from them.

#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/precision/policy.h"
#include "train/arm_state.h"
#include "train/checkpoint.h"
#include "train/train_arm.h"
#include "train/train_arm_fixture.h"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

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

  // A resumed arm does not know the codes of its last record.
  for (auto number = expected.begin(); number != expected.end();) {
    const bool flips =
        absl::StartsWith(number->first.second, "codes_flipped_pct/") &&
        number->first.first == 8;
    EXPECT_EQ(actual.count(number->first), flips ? 0u : 1u);
    number = flips ? expected.erase(number) : std::next(number);
  }
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

// Every policy, one that draws random bits in the backward pass, and one that
// trains its scales.
std::vector<std::string> TestedPolicies() {
  std::vector<std::string> policies;
  for (const nn::NamedPolicy& policy : nn::Policies()) {
    policies.push_back(policy.name);
  }
  policies.push_back("nvfp4:first=bf16:*/dgrad_dy=nvfp4+sr");
  policies.push_back(
      "nvfp4_forward_all:*/fprop_w=nvfp4+lsq:*/fprop_x=nvfp4+pact");
  return policies;
}

INSTANTIATE_TEST_SUITE_P(Policies, TrainArmTest,
                         ::testing::ValuesIn(TestedPolicies()),
                         [](const auto& info) {
                           return absl::StrReplaceAll(
                               nn::Policy::Parse(info.param)->Key(),
                               {{"-", "_"}, {".", "_"}});
                         });

// Has images that cannot be read until it is mended.
class DamagedDataset : public data::Dataset {
 public:
  explicit DamagedDataset(std::shared_ptr<const data::Dataset> dataset)
      : dataset_(std::move(dataset)) {}
  int64_t size() const override { return dataset_->size(); }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    if (damaged) return absl::DataLossError("a.png: damaged PNG");
    return dataset_->Get(index);
  }
  const std::vector<std::string>& class_names() const override {
    return dataset_->class_names();
  }
  std::string Describe() const override { return dataset_->Describe(); }

  bool damaged = true;

 private:
  const std::shared_ptr<const data::Dataset> dataset_;
};

TEST_F(TrainArmTest, AValidationThatFailsLosesNothing) {
  Recorder::Numbers expected;
  ASSERT_TRUE(Train(MakeNet("fp32"), Options(""), &expected).ok());
  const auto val = std::make_shared<DamagedDataset>(datasets_.val);
  datasets_.val = val;
  // At a validation in the middle and at the last one, with and without a
  // checkpoint that is due at the same step.
  for (const auto& [step, checkpoint_every] :
       {std::pair<int64_t, int64_t>{4, 4}, {4, 0}, {kSteps, 4}, {kSteps, 0}}) {
    SCOPED_TRACE(step);
    ArmOptions options = Options("fails");
    options.checkpoint_every = checkpoint_every;
    Recorder::Numbers actual;
    if (step == kSteps) {
      val->damaged = false;
      int steps = 0;
      options.should_stop = [&steps] { return steps++ == kSteps - 1; };
      ASSERT_TRUE(Train(MakeNet("fp32"), options, &actual).ok());
      options.should_stop = nullptr;
    }
    val->damaged = true;
    const auto failed = Train(MakeNet("fp32"), options, &actual);
    ASSERT_TRUE(failed.ok()) << failed.status();
    EXPECT_EQ(failed->validation.message(),
              absl::StrCat("arm: validation after step ", step,
                           ": a.png: damaged PNG"));
    EXPECT_EQ(failed->steps_done, step);
    EXPECT_FALSE(failed->finished);
    EXPECT_TRUE(failed->train_loss.has_value());
    const auto resume = FindResumeStep(options.checkpoint_directory);
    ASSERT_TRUE(resume.ok()) << resume.status();
    EXPECT_EQ(resume->step, step);
    EXPECT_FALSE(resume->validated);

    val->damaged = false;
    const auto resumed = Train(MakeNet("fp32"), options, &actual);
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    EXPECT_TRUE(resumed->finished);
    EXPECT_TRUE(FindResumeStep(options.checkpoint_directory)->validated);
    ASSERT_EQ(actual.size(), expected.size());
    for (const auto& [key, value] : expected) {
      const double other = actual.at(key);
      EXPECT_TRUE(other == value || (std::isnan(other) && std::isnan(value)))
          << "step " << key.first << " " << key.second;
    }
  }
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
