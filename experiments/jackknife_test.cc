#include "experiments/jackknife.h"

#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

// The jackknife of a mean is the textbook's interval of a mean.
TEST(JackknifeInterval, OfAMeanIsStudents) {
  const std::vector<double> values = {1, 4, 2, 8, 5};
  double sum = 0;
  for (const double value : values) sum += value;
  const auto n = static_cast<double>(values.size());
  std::vector<double> without;
  for (const double value : values) without.push_back((sum - value) / (n - 1));
  const auto interval = JackknifeInterval(sum / n, without);
  const auto student = ConfidenceInterval(SummarizeSample(values));
  ASSERT_TRUE(interval.has_value());
  EXPECT_DOUBLE_EQ(interval->low, student->low);
  EXPECT_DOUBLE_EQ(interval->high, student->high);
}

TEST(JackknifeInterval, AnImageAloneHasNone) {
  EXPECT_FALSE(JackknifeInterval(1, {1.0}).has_value());
  EXPECT_FALSE(JackknifeInterval(1, {}).has_value());
}

}  // namespace
}  // namespace cnn_fp4::experiments
