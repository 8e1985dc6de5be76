// A task, a data set and a sink that no registry knows are trained like any
// other: each is a class in this file, and the trainer learns nothing of it.

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "nn/net.h"
#include "train/train_arm_fixture.h"

namespace cnn_fp4::train {
namespace {

// Columns that grow brighter, and their brightness in eighths.
class Ramps : public data::Dataset {
 public:
  int64_t size() const override { return 8; }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    data::Sample sample;
    sample.name = absl::StrCat("ramp", index);
    sample.image = {kSide, kSide, 3, {}};
    for (int64_t i = 0; i < kSide * kSide; ++i) {
      const int64_t grey = (i + 4 * index) % kSide * 8;
      for (int c = 0; c < 3; ++c) {
        sample.image.pixels.push_back(static_cast<uint8_t>(grey));
      }
      sample.mask.push_back(static_cast<uint8_t>(grey / 32));
    }
    return sample;
  }
  const std::vector<std::string>& class_names() const override {
    return names_;
  }
  std::string Describe() const override { return "ramps"; }

 private:
  static constexpr int kSide = 32;
  const std::vector<std::string> names_ =
      std::vector<std::string>(8, "brightness");
};

// The first output is to be an eighth of the mask's number.
class Regression : public Task {
 public:
  at::Tensor Loss(const nn::Output& output,
                  const data::Batch& batch) const override {
    const at::Tensor target =
        at::from_blob(const_cast<int64_t*>(batch.target.data()),
                      {batch.n, batch.h, batch.w}, at::kLong);
    // Padding is not to be learnt.
    const at::Tensor counts = target.ne(data::kIgnore);
    const at::Tensor error =
        output.dense.select(1, 0) - target.to(at::kFloat) / 8;
    return error.square().masked_select(counts).mean();
  }

  std::unique_ptr<Evaluator> NewEvaluator(const data::Dataset&) const override {
    return std::make_unique<Errors>();
  }
  std::unique_ptr<Sheet> NewSheet(const data::Dataset&) const override {
    return nullptr;
  }
  absl::Status WritePrediction(const std::string&, const data::Image&,
                               const nn::Output&, absl::Span<const std::string>,
                               const std::string&) const override {
    return absl::OkStatus();
  }

 private:
  class Errors : public Evaluator {
   public:
    void Add(const data::Sample& sample, const nn::Output& output) override {
      const at::Tensor target =
          at::from_blob(const_cast<uint8_t*>(sample.mask.data()),
                        {1, sample.image.height, sample.image.width}, at::kByte)
              .to(at::kFloat) /
          8;
      sum_ +=
          (output.dense.select(1, 0) - target).square().mean().item<double>();
      ++count_;
    }
    void Merge(const Evaluator& other) override {
      sum_ += dynamic_cast<const Errors&>(other).sum_;
      count_ += dynamic_cast<const Errors&>(other).count_;
    }
    std::vector<Metric> Metrics() const override {
      return {{"rmse", "error", "eighths", 8 * std::sqrt(sum_ / count_),
               /*higher_is_better=*/false, /*headline=*/true}};
    }

   private:
    double sum_ = 0;
    int64_t count_ = 0;
  };
};

TEST_F(TrainArmTest, ATaskOfOnesOwnIsTrainedAndItsBestIsTheLowest) {
  datasets_.train = datasets_.val = std::make_shared<Ramps>();
  ArmOptions options = Options("own_task");
  options.train.steps = 40;
  options.train.learning_rate = 0.003;
  options.batch.augment = false;
  Recorder::Numbers numbers;
  const auto result = Train(MakeNet("nvfp4"), options, &numbers, Regression());
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->metrics.size(), 1u);
  EXPECT_EQ(result->metrics[0].key, "rmse");
  double best = numbers.at({4, "val/rmse"});
  for (int64_t step = 8; step <= 40; step += 4) {
    best = std::min(best, numbers.at({step, "val/rmse"}));
  }
  EXPECT_EQ(result->best, best);
  EXPECT_LT(best, 0.8 * numbers.at({4, "val/rmse"}));
}

}  // namespace
}  // namespace cnn_fp4::train
