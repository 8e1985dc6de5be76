#include "train/inference.h"

#include <torch/torch.h>

#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/normalize.h"
#include "train/nonfinite.h"

namespace cnn_fp4::train {

at::Tensor ImageTensor(const data::Image& image, const data::BatchSpec& batch) {
  std::vector<float> values = data::NormalizeImage(image, batch);
  return at::from_blob(values.data(),
                       {1, image.channels, image.height, image.width},
                       at::kFloat)
      .clone();
}

absl::StatusOr<nn::Output> Infer(nn::Net& net, nn::QuantContext& context,
                                 const data::Image& image,
                                 const data::BatchSpec& batch) {
  const torch::NoGradGuard no_grad;
  // For layers such as BatchNorm that compute something else in training.
  const bool was_training = net.is_training();
  const auto restore = absl::MakeCleanup([&] { net.train(was_training); });
  net.eval();
  const at::Tensor images = ImageTensor(image, batch);
  try {
    return net.forward(images);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(
        error.what_without_backtrace(),
        "; first: ", FirstNonFiniteInForward(net, context, images)));
  }
}

}  // namespace cnn_fp4::train
