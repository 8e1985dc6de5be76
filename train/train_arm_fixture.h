#ifndef TRAIN_TRAIN_ARM_FIXTURE_H_
#define TRAIN_TRAIN_ARM_FIXTURE_H_

// A small training for the tests of TrainArm: synthetic images, a narrow UNet
// under any policy, and a sink that keeps what was measured.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/dataset_registry.h"
#include "gtest/gtest.h"
#include "telemetry/statistics.h"
#include "train/task.h"
#include "train/test_net.h"
#include "train/train_arm.h"

namespace cnn_fp4::train {

inline constexpr int64_t kSteps = 8;

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
      std::filesystem::remove_all(options.checkpoint_directory);
    }
    return options;
  }

  absl::StatusOr<ArmResult> Train(const TestNet& test,
                                  const ArmOptions& options,
                                  Recorder::Numbers* numbers) {
    return Train(test, options, numbers, *CreateTask(TaskSpec()));
  }

  absl::StatusOr<ArmResult> Train(const TestNet& test, ArmOptions options,
                                  Recorder::Numbers* numbers,
                                  const Task& task) {
    options.loss_scaling = test.loss_scaling;
    telemetry::Run run(std::make_unique<Recorder>(numbers));
    auto result = TrainArm(task, *test.net, *test.context, datasets_, options,
                           base::ProgressMode::kOff, run);
    EXPECT_TRUE(run.Finish(0).ok());
    return result;
  }

  data::DatasetPair datasets_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_TRAIN_ARM_FIXTURE_H_
