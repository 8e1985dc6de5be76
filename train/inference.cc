#include "train/inference.h"

#include <torch/torch.h>

#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/normalize.h"
#include "train/nonfinite.h"
#include "train/out_of_memory.h"

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
    if (SaysOutOfMemory(error.what_without_backtrace())) {
      return absl::ResourceExhaustedError(
          absl::StrCat("out of memory for an image of ", image.width, "x",
                       image.height, " pixels; make it smaller"));
    }
    return absl::InternalError(absl::StrCat(
        error.what_without_backtrace(),
        "; first: ", FirstNonFiniteInForward(net, context, images)));
  }
}

}  // namespace cnn_fp4::train
