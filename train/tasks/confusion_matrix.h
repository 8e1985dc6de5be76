#ifndef TRAIN_TASKS_CONFUSION_MATRIX_H_
#define TRAIN_TASKS_CONFUSION_MATRIX_H_

// Segmentation scores from pixel counts: intersection over union (Jaccard) and
// Dice (F1) of each class, over all pixels of a data set at once, as PASCAL VOC
// and Cityscapes define them.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace cnn_fp4::train {

class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int num_classes);

  // Counts pixels: class indices of prediction and truth, in [0, num_classes).
  // Truth of any other value is ignored.
  void Add(absl::Span<const int64_t> prediction,
           absl::Span<const int64_t> truth);

  // As if what was added to `other`, of as many classes, had been added here.
  void Merge(const ConfusionMatrix& other);

  int num_classes() const { return num_classes_; }
  int64_t count(int truth, int prediction) const {
    return counts_[truth * num_classes_ + prediction];
  }

  // In [0, 1]; NaN for a class that is neither in the truth nor predicted.
  double Iou(int cls) const;
  double Dice(int cls) const;
  // Means over the classes that have a score. NaN when none has.
  double MeanIou() const;
  double MeanDice() const;

 private:
  int64_t Truth(int cls) const;
  int64_t Predicted(int cls) const;

  int num_classes_;
  std::vector<int64_t> counts_;  // [truth][prediction]
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_TASKS_CONFUSION_MATRIX_H_
