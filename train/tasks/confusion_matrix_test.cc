#include "train/tasks/confusion_matrix.h"

#include <cmath>

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

TEST(ConfusionMatrix, ScoresAHandMadeExample) {
  ConfusionMatrix matrix(3);
  // Truth 0 0 0 1 1 1 1, prediction 0 0 1 1 1 1 0; the last pixel is ignored.
  matrix.Add({0, 0, 1, 1, 1, 1, 0, 0}, {0, 0, 0, 1, 1, 1, 1, 255});
  EXPECT_EQ(matrix.count(0, 1), 1);
  EXPECT_DOUBLE_EQ(matrix.Iou(0), 2.0 / 4);
  EXPECT_DOUBLE_EQ(matrix.Iou(1), 3.0 / 5);
  EXPECT_DOUBLE_EQ(matrix.Dice(0), 4.0 / 6);
  EXPECT_DOUBLE_EQ(matrix.Dice(1), 6.0 / 8);
  // Class 2 does not occur and does not count.
  EXPECT_TRUE(std::isnan(matrix.Iou(2)));
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), (0.5 + 0.6) / 2);
  EXPECT_DOUBLE_EQ(matrix.MeanDice(), (4.0 / 6 + 6.0 / 8) / 2);
}

TEST(ConfusionMatrix, APredictedClassThatIsNotThereCountsAsZero) {
  ConfusionMatrix matrix(2);
  matrix.Add({1, 1}, {0, 0});
  EXPECT_DOUBLE_EQ(matrix.Iou(1), 0.0);
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), 0.0);
}

TEST(ConfusionMatrix, NoPixelNoScore) {
  EXPECT_TRUE(std::isnan(ConfusionMatrix(2).MeanIou()));
}

}  // namespace
}  // namespace cnn_fp4::train
