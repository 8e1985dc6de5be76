#include "train/nonfinite.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/gemm/quant_context.h"
#include "nn/net.h"

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

// Describes the first input of a layer that is not finite.
class InputWatcher : public nn::GemmObserver {
 public:
  void OnSource(const nn::GemmSite& site, const at::Tensor& source) override {
    if (site.operand != nn::Operand::kFpropX || !found_.empty()) return;
    found_ = Describe("the input of " + site.layer, source);
  }
  const std::string& found() const { return found_; }

 private:
  std::string found_;
};

}  // namespace

std::string FirstNonFiniteInForward(nn::Net& net, nn::QuantContext& context,
                                    const at::Tensor& images) {
  const torch::NoGradGuard no_grad;
  for (const auto& parameter : net.named_parameters()) {
    const std::string found =
        Describe("parameter " + parameter.key(), parameter.value());
    if (!found.empty()) return found;
  }
  std::string found = Describe("the batch of images", images);
  if (!found.empty()) return found;
  InputWatcher watcher;
  const nn::ObserverScope scope(context, watcher);
  at::Tensor logits;
  try {
    logits = net.forward(images).dense;
  } catch (const c10::Error& error) {
    // A quantiser refused the tensor that the watcher has just described.
    return watcher.found().empty() ? error.what_without_backtrace()
                                   : watcher.found();
  }
  if (!watcher.found().empty()) return watcher.found();
  found = Describe("the logits", logits);
  if (!found.empty()) return found;
  return "no tensor of the forward pass: the loss itself is not finite";
}

std::string FirstNonFiniteGradient(const nn::Net& net) {
  const auto parameters = net.named_parameters();
  for (size_t i = parameters.size(); i-- > 0;) {
    const at::Tensor& gradient = parameters[i].value().grad();
    if (!gradient.defined()) continue;
    const std::string found =
        Describe("the gradient of " + parameters[i].key(), gradient);
    if (!found.empty()) return found;
  }
  return "no gradient";
}

}  // namespace cnn_fp4::train
