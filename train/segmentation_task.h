#ifndef TRAIN_SEGMENTATION_TASK_H_
#define TRAIN_SEGMENTATION_TASK_H_

// Semantic segmentation: what is minimised and what is scored.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "data/batch_spec.h"
#include "data/dataset.h"
#include "train/confusion_matrix.h"

namespace at {
class Tensor;
}  // namespace at

namespace cnn_fp4::nn {
class Net;
struct QuantContext;
}  // namespace cnn_fp4::nn

namespace cnn_fp4::train {

// Cross entropy plus dice_weight times the soft Dice loss (Milletari et al.
// 2016, arXiv:1606.04797), the mean over classes of
//   1 - (2 sum p t + 1) / (sum p + sum t + 1)
// with sums over all pixels of the batch. logits: [N, C, H, W]. target: [N, H,
// W] int64, data::kIgnore where a pixel does not count. FP32, scalar; zero,
// with zero gradients, if no pixel counts.
at::Tensor SegmentationLoss(const at::Tensor& logits, const at::Tensor& target,
                            double dice_weight);

// An image as the net takes it: [1, 3, H, W], normalised as in the batches that
// `batch` describes.
at::Tensor ImageTensor(const data::Image& image, const data::BatchSpec& batch);

// The class of each pixel, row by row. Internal, naming the layer, where an
// operand is not finite.
absl::StatusOr<std::vector<int64_t>> Predict(nn::Net& net,
                                             nn::QuantContext& context,
                                             const data::Image& image,
                                             const data::BatchSpec& batch);

struct Evaluation {
  ConfusionMatrix confusion;
  double loss = 0;  // Mean over images.
};

// Scores the net on whole images, one by one. Errors are the data set's, and
// Predict's with the name of the image.
absl::StatusOr<Evaluation> Evaluate(nn::Net& net, nn::QuantContext& context,
                                    const data::Dataset& dataset,
                                    const data::BatchSpec& batch,
                                    double dice_weight);

}  // namespace cnn_fp4::train

#endif  // TRAIN_SEGMENTATION_TASK_H_
