#ifndef TRAIN_INFERENCE_H_
#define TRAIN_INFERENCE_H_

// The way from an image to a net's numbers outside of training: normalised as
// the batches are, the whole image at once, without gradients.

#include "absl/status/statusor.h"
#include "data/batch_spec.h"
#include "data/image.h"
#include "nn/gemm/quant_context.h"
#include "nn/net.h"

namespace cnn_fp4::train {

// An image as the net takes it: [1, 3, H, W], normalised as in the batches that
// `batch` describes.
at::Tensor ImageTensor(const data::Image& image, const data::BatchSpec& batch);

// Internal, naming the layer and the first tensor that is not finite, where a
// quantiser refuses an operand.
absl::StatusOr<nn::Output> Infer(nn::Net& net, nn::QuantContext& context,
                                 const data::Image& image,
                                 const data::BatchSpec& batch);

}  // namespace cnn_fp4::train

#endif  // TRAIN_INFERENCE_H_
