#ifndef TRAIN_TASKS_SEMANTIC_SEGMENTATION_H_
#define TRAIN_TASKS_SEMANTIC_SEGMENTATION_H_

// Semantic segmentation: a class for each pixel. The metrics are the mean loss,
// "mean_iou" (the headline) and "mean_dice" over classes, and "iou/<class>" and
// "dice/<class>"; the sheet shows image, truth and the prediction of each arm.

#include <memory>

#include "train/task.h"

namespace cnn_fp4::train {

// Cross entropy plus dice_weight times the soft Dice loss (Milletari et al.
// 2016, arXiv:1606.04797), the mean over classes of
//   1 - (2 sum p t + 1) / (sum p + sum t + 1)
// with sums over all pixels of the batch. logits: [N, C, H, W]. target: [N, H,
// W] int64, data::kIgnore where a pixel does not count. FP32, scalar; zero,
// with zero gradients, if no pixel counts.
at::Tensor SegmentationLoss(const at::Tensor& logits, const at::Tensor& target,
                            double dice_weight);

std::unique_ptr<Task> NewSemanticSegmentation(const TaskSpec& spec);

}  // namespace cnn_fp4::train

#endif  // TRAIN_TASKS_SEMANTIC_SEGMENTATION_H_
