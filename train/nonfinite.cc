#include "train/nonfinite.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cnn_fp4::train {
namespace {

// "" if all of `tensor` is finite.
std::string Describe(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor bad = tensor.isfinite().logical_not();
  const int64_t count = bad.sum().item<int64_t>();
  if (count == 0) return "";
  const at::Tensor index = bad.nonzero()[0].cpu();
  const float value =
      tensor.flatten()[bad.flatten().nonzero()[0][0]].item<float>();
  std::vector<int64_t> indices(index.const_data_ptr<int64_t>(),
                               index.const_data_ptr<int64_t>() + index.numel());
  return absl::StrCat(name, " has ", count, " of ", tensor.numel(),
                      " values not finite, the first ", value, " at [",
                      absl::StrJoin(indices, ", "), "]");
}

}  // namespace

std::string FirstNonFiniteInForward(nn::UNet& net, const at::Tensor& images) {
  const torch::NoGradGuard no_grad;
  for (const nn::NamedParameter& parameter : net.parameters()) {
    const std::string found =
        Describe("parameter " + parameter.name, *parameter.tensor);
    if (!found.empty()) return found;
  }
  std::string found = Describe("the batch of images", images);
  if (!found.empty()) return found;
  net.SetInputObserver([&](size_t layer, const at::Tensor& x) {
    if (!found.empty()) return;
    found = Describe("the input of " + net.layers()[layer].spec->layer, x);
  });
  at::Tensor logits;
  try {
    logits = net.Forward(images);
  } catch (const c10::Error& error) {
    // A quantiser refused the tensor that the observer has just described.
    if (found.empty()) found = error.what_without_backtrace();
  }
  net.SetInputObserver(nullptr);
  if (found.empty()) found = Describe("the logits", logits);
  if (!found.empty()) return found;
  return "no tensor of the forward pass: the loss itself is not finite";
}

std::string FirstNonFiniteGradient(const nn::UNet& net) {
  const auto& parameters = net.parameters();
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    if (!it->tensor->grad().defined()) continue;
    const std::string found =
        Describe("the gradient of " + it->name, it->tensor->grad());
    if (!found.empty()) return found;
  }
  return "no gradient";
}

}  // namespace cnn_fp4::train
