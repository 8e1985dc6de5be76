#include "train/learning_rate.h"

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

TEST(LearningRate, WarmsUpAndComesDown) {
  const LearningRateOptions options = {2.0, 4, 0.1};
  EXPECT_DOUBLE_EQ(LearningRate(options, 0, 100), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(options, 3, 100), 2.0);
  EXPECT_DOUBLE_EQ(LearningRate(options, 4, 100), 2.0);
  EXPECT_DOUBLE_EQ(LearningRate(options, 99, 100), 0.2);
  for (int step = 5; step < 100; ++step) {
    EXPECT_LT(LearningRate(options, step, 100),
              LearningRate(options, step - 1, 100));
  }
}

TEST(LearningRate, WithoutWarmUpStartsAtThePeak) {
  EXPECT_DOUBLE_EQ(LearningRate({3.0, 0, 0.0}, 0, 10), 3.0);
  EXPECT_DOUBLE_EQ(LearningRate({3.0, 0, 0.0}, 0, 1), 3.0);
}

}  // namespace
}  // namespace cnn_fp4::train
