#include "train/tasks/confusion_matrix.h"

#include <cmath>
#include <limits>

#include "glog/logging.h"

namespace cnn_fp4::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double Ratio(double numerator, double denominator) {
  return denominator == 0 ? kNan : numerator / denominator;
}

template <typename Score>
double MeanOverScored(int num_classes, const Score& score) {
  double sum = 0;
  int scored = 0;
  for (int cls = 0; cls < num_classes; ++cls) {
    const double value = score(cls);
    if (std::isnan(value)) continue;
    sum += value;
    ++scored;
  }
  return Ratio(sum, scored);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int num_classes)
    : num_classes_(num_classes), counts_(num_classes * num_classes) {
  CHECK_GT(num_classes, 0);
}

void ConfusionMatrix::Add(absl::Span<const int64_t> prediction,
                          absl::Span<const int64_t> truth) {
  CHECK_EQ(prediction.size(), truth.size());
  for (size_t i = 0; i < truth.size(); ++i) {
    if (truth[i] < 0 || truth[i] >= num_classes_) continue;
    CHECK(prediction[i] >= 0 && prediction[i] < num_classes_)
        << "predicted class " << prediction[i] << " of " << num_classes_;
    ++counts_[truth[i] * num_classes_ + prediction[i]];
  }
}

void ConfusionMatrix::Merge(const ConfusionMatrix& other) {
  CHECK_EQ(num_classes_, other.num_classes_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t ConfusionMatrix::Truth(int cls) const {
  int64_t sum = 0;
  for (int p = 0; p < num_classes_; ++p) sum += count(cls, p);
  return sum;
}

int64_t ConfusionMatrix::Predicted(int cls) const {
  int64_t sum = 0;
  for (int t = 0; t < num_classes_; ++t) sum += count(t, cls);
  return sum;
}

double ConfusionMatrix::Iou(int cls) const {
  const int64_t both = count(cls, cls);
  return Ratio(both, Truth(cls) + Predicted(cls) - both);
}

double ConfusionMatrix::Dice(int cls) const {
  return Ratio(2.0 * count(cls, cls), Truth(cls) + Predicted(cls));
}

double ConfusionMatrix::MeanIou() const {
  return MeanOverScored(num_classes_, [this](int c) { return Iou(c); });
}

double ConfusionMatrix::MeanDice() const {
  return MeanOverScored(num_classes_, [this](int c) { return Dice(c); });
}

}  // namespace cnn_fp4::train
