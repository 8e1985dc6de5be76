#include "train/measured_steps.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> Measured(const MeasuredSteps& steps) {
  std::vector<int64_t> found;
  for (int64_t step = 1; step <= steps.total; ++step) {
    if (steps.Measured(step)) found.push_back(step);
  }
  return found;
}

std::vector<int64_t> Sampled(const MeasuredSteps& steps) {
  std::vector<int64_t> found;
  for (int64_t step = 1; step <= steps.total; ++step) {
    if (steps.SamplesWeights(step)) found.push_back(step);
  }
  return found;
}

TEST(MeasuredSteps, AreTheFirstEveryNthAndTheLast) {
  EXPECT_THAT(Measured({3, 10}), ElementsAre(1, 3, 6, 9, 10));
  EXPECT_THAT(Measured({5, 10}), ElementsAre(1, 5, 10));
  EXPECT_THAT(Measured({0, 10}), ElementsAre(1, 10));
  EXPECT_THAT(Measured({0, 1}), ElementsAre(1));
}

TEST(MeasuredSteps, WeightsAreSampledAtTheFirstAndAtEachQuarter) {
  EXPECT_THAT(Sampled({1, 100}), ElementsAre(1, 25, 50, 75, 100));
  // The first measured step at or after each quarter.
  EXPECT_THAT(Sampled({10, 160}), ElementsAre(1, 40, 80, 120, 160));
  EXPECT_THAT(Sampled({30, 100}), ElementsAre(1, 30, 60, 90, 100));
  EXPECT_THAT(Sampled({60, 100}), ElementsAre(1, 60, 100));
  EXPECT_THAT(Sampled({0, 100}), ElementsAre(1, 100));
  EXPECT_THAT(Sampled({1, 2}), ElementsAre(1, 2));
  EXPECT_THAT(Sampled({0, 1}), ElementsAre(1));
}

}  // namespace
}  // namespace cnn_fp4::train
