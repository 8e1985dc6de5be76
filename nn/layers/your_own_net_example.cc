#include <torch/torch.h>

#include <iostream>

#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"

using cnn_fp4::nn::QuantConv2d;

struct MyNet : torch::nn::Module {
  QuantConv2d stem = register_module("stem", QuantConv2d(3, 16, 3));
  QuantConv2d body = register_module(
      "body", QuantConv2d(torch::nn::Conv2dOptions(16, 32, 3).stride(2)));
  QuantConv2d head = register_module("head", QuantConv2d(32, 10, 1));

  at::Tensor forward(const at::Tensor& images) {
    const at::Tensor y = at::relu(body(at::relu(stem(images))));
    return head(y).mean(at::IntArrayRef({2, 3}));
  }
};

int main() {
  MyNet net;
  auto context = std::make_shared<cnn_fp4::nn::QuantContext>();
  const auto policy = cnn_fp4::nn::Policy::Parse("nvfp4:stem=bf16:head=fp32");
  const absl::Status status = Quantize(net, policy.value(), context);
  TORCH_CHECK(status.ok(), status.message());

  torch::optim::Adam adam(net.parameters(), /*lr=*/0.01);
  const at::Tensor images = at::randn({8, 3, 16, 16});
  const at::Tensor classes = at::randint(10, {8}, at::kLong);
  for (context->step = 0; context->step < 20; ++context->step) {
    adam.zero_grad();
    at::Tensor loss = at::cross_entropy_loss(net.forward(images), classes);
    std::cout << loss.item<float>() << '\n';
    loss.backward();
    adam.step();
  }
}
