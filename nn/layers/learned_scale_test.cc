#include "nn/layers/learned_scale.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/gemm/conv_gemms.h"
#include "nn/layers/quant_conv.h"
#include "nn/layers/quantize.h"
#include "nn/precision/policy.h"
#include "quant/testing/nearest_by_search.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

at::Tensor Map(const at::Tensor& tensor, double (*function)(double)) {
  at::Tensor mapped = tensor.detach().clone().contiguous();
  double* const values = mapped.mutable_data_ptr<double>();
  for (int64_t i = 0; i < mapped.numel(); ++i) values[i] = function(values[i]);
  return mapped;
}

struct Case {
  std::string name;
  std::string w, x;  // Recipes, with their suffix.
  bool transposed = false;
  int64_t groups = 1;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// A layer alone, under a policy.
struct Layer {
  std::shared_ptr<torch::nn::Module> root =
      std::make_shared<torch::nn::Module>();
  QuantConv2d conv{nullptr};
  QuantConvTranspose2d up{nullptr};

  explicit Layer(const Case& c) {
    torch::manual_seed(2);
    if (c.transposed) {
      up = root->register_module(
          "layer",
          QuantConvTranspose2d(
              torch::nn::ConvTranspose2dOptions(32, 32, 2).stride(2).groups(
                  c.groups)));
    } else {
      conv = root->register_module(
          "layer",
          QuantConv2d(
              torch::nn::Conv2dOptions(32, 32, 3).padding(1).groups(c.groups)));
    }
    const auto policy =
        Policy::Parse("fp32:layer/fprop_w=" + c.w + ":layer/fprop_x=" + c.x);
    EXPECT_TRUE(policy.ok()) << policy.status();
    const absl::Status status =
        Quantize(*root, *policy, std::make_shared<QuantContext>());
    EXPECT_TRUE(status.ok()) << status;
  }
  at::Tensor forward(const at::Tensor& x) {
    return conv.is_empty() ? up->forward(x) : conv->forward(x);
  }
  at::Tensor Get(const std::string& name) {
    return root->named_parameters()["layer." + name];
  }
  bool Has(const std::string& name) {
    return root->named_parameters().contains("layer." + name);
  }
};

// Independent of the code: the scale of each element of the weight.
at::Tensor Expanded(const at::Tensor& scale, const at::Tensor& weight,
                    const Case& c) {
  if (scale.numel() == 1) return scale.expand_as(weight);
  at::Tensor index = at::empty(weight.sizes(), at::kLong);
  auto at = index.accessor<int64_t, 4>();
  for (int64_t i = 0; i < weight.size(0); ++i) {
    for (int64_t j = 0; j < weight.size(1); ++j) {
      const int64_t group = i / (weight.size(0) / c.groups);
      const int64_t channel = c.transposed ? group * weight.size(1) + j : i;
      for (int64_t k = 0; k < weight.size(2); ++k) {
        for (int64_t l = 0; l < weight.size(3); ++l) at[i][j][k][l] = channel;
      }
    }
  }
  return scale.index_select(0, index.flatten()).view(weight.sizes());
}

class LearnedScaleTest : public ::testing::TestWithParam<Case> {};

// The documented surrogate in FP64, differentiated by torch.
TEST_P(LearnedScaleTest, GradientsAreThoseOfTheSurrogate) {
  const Case& c = GetParam();
  Layer layer(c);
  at::Tensor x = at::randn({2, 32, 6, 8}).requires_grad_();
  layer.forward(x);  // Sets the parameters.
  {
    // So low that a good part of the values is clipped.
    const torch::NoGradGuard no_grad;
    if (layer.Has("w_log2_scale")) layer.Get("w_log2_scale").sub_(2);
    if (layer.Has("x_clip")) layer.Get("x_clip").mul_(0.5);
  }
  const at::Tensor y = layer.forward(x);
  const at::Tensor dy = at::randn_like(y);
  (y * dy).sum().backward();

  const at::Tensor weight = layer.Get("weight");
  at::Tensor w = weight.detach().to(at::kDouble).requires_grad_();
  at::Tensor s, w_hat = w;
  if (layer.Has("w_log2_scale")) {
    const at::Tensor learnt =
        WeightScale(layer.Get("w_log2_scale")).to(at::kDouble);
    s = learnt;
    if (c.w == "nvfp4+lsq") {
      const double unit = learnt.max().item<double>() / 448;
      s = Map(learnt / unit, quant::NearestE4m3BySearch) * unit;
    }
    s = s.clone().requires_grad_();
    const at::Tensor per_element = Expanded(s, w, c);
    const at::Tensor clipped = (w / per_element).clamp(-6, 6);
    const at::Tensor r =
        Map((w / per_element), quant::NearestE2m1BySearch) - clipped.detach();
    EXPECT_GT(r.abs().max().item<double>(), 0.1);
    EXPECT_GT((w / per_element).abs().gt(6).sum().item<int64_t>(), 5);
    w_hat = per_element * (clipped + r);
  }
  at::Tensor z = x.detach().to(at::kDouble).requires_grad_();
  at::Tensor alpha, x_hat = z;
  if (layer.Has("x_clip")) {
    alpha = layer.Get("x_clip").detach().to(at::kDouble).requires_grad_();
    const at::Tensor clipped = at::clamp(z, -alpha, alpha);
    EXPECT_GT(z.abs().gt(alpha).sum().item<int64_t>(), 5);
    // What the quantiser adds is a constant.
    std::optional<QuantizedOperand> apart;
    const ConvSpec& spec =
        (c.transposed ? static_cast<QuantLayer&>(*layer.up) : *layer.conv)
            .spec();
    const auto made =
        QuantizeClipped(x.detach(), layer.Get("x_clip"), spec.geometry,
                        spec.precision.fprop_x, &apart);
    ASSERT_TRUE(made.ok()) << made.status();
    const at::Tensor quantised = (made->values * made->scale).to(at::kDouble);
    EXPECT_LE(quantised.abs().max().item<double>(),
              alpha.item<double>() * (1 + kEpsilon));
    x_hat = clipped + (quantised - clipped).detach();
  }
  const at::Tensor expected =
      c.transposed
          ? at::conv_transpose2d(x_hat, w_hat, {}, {2, 2}, {0, 0}, {0, 0},
                                 c.groups)
          : at::conv2d(x_hat, w_hat, {}, {1, 1}, {1, 1}, {1, 1}, c.groups);
  (expected * dy.to(at::kDouble)).sum().backward();

  const auto expect_near = [](const at::Tensor& actual,
                              const at::Tensor& reference, int64_t products,
                              const char* what) {
    const double error = (actual.detach().to(at::kDouble) - reference.detach())
                             .abs()
                             .max()
                             .item<double>();
    EXPECT_LE(error, ConvGemmsTolerance(products) * kEpsilon *
                         reference.detach().abs().max().item<double>())
        << what;
  };
  const int64_t outputs = dy.numel() / dy.size(1);
  const at::Tensor bias = layer.Get("bias").detach().to(at::kDouble);
  expect_near(y, expected + bias.view({1, -1, 1, 1}), 32 * 9, "y");
  expect_near(weight.grad(), w.grad(), outputs, "dw");
  expect_near(x.grad(), z.grad(), 32 * 9, "dx");
  if (s.defined()) {
    const int64_t n = w.numel() / s.numel();
    // d 2^t / dt = ln 2 * 2^t.
    expect_near(layer.Get("w_log2_scale").grad(),
                s.grad() * WeightScale(layer.Get("w_log2_scale")) *
                    std::log(2.0) / std::sqrt(6.0 * static_cast<double>(n)),
                n * outputs, "dlog2 scale");
  }
  if (alpha.defined()) {
    expect_near(layer.Get("x_clip").grad(), alpha.grad(), x.numel(), "dalpha");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, LearnedScaleTest,
    ::testing::Values(Case{"Nvfp4", "nvfp4+lsq", "fp32"},
                      Case{"Fp32Filters", "fp4_per_channel+lsq", "fp32"},
                      Case{"Fp32Tensor", "fp4_per_tensor+lsq", "fp32"},
                      Case{"Transposed", "nvfp4+lsq", "fp32", true},
                      Case{"TransposedGroups", "nvfp4+lsq", "fp32", true, 2},
                      Case{"Groups", "nvfp4+lsq", "nvfp4+pact", false, 2},
                      Case{"Pact", "fp32", "nvfp4+pact"},
                      Case{"PactTensor", "fp32", "fp4_per_tensor+pact"},
                      Case{"Both", "nvfp4+lsq", "nvfp4+pact"}),
    [](const auto& info) { return info.param.name; });

TEST(LearnedScale, TheFirstForwardPassSetsThemAndNoOther) {
  Layer layer({"", "nvfp4+lsq", "nvfp4+pact"});
  EXPECT_EQ(layer.Get("w_log2_scale").sizes(), at::IntArrayRef({32}));
  EXPECT_EQ(layer.Get("w_log2_scale").abs().sum().item<float>(), 0);
  const at::Tensor x = at::randn({2, 32, 6, 8});
  layer.forward(x);
  const at::Tensor w = layer.Get("weight").detach();
  const at::Tensor scale = layer.Get("w_log2_scale").detach().clone();
  EXPECT_TRUE(at::allclose(scale.exp2(),
                           2 * w.abs().flatten(1).mean(1) / std::sqrt(6.0)));
  const at::Tensor clip = layer.Get("x_clip").detach().clone();
  EXPECT_NEAR(clip.item<double>(),
              12 * x.abs().mean().item<double>() / std::sqrt(6.0),
              clip.item<double>() * 4 * kEpsilon);
  layer.forward(10 * x);
  EXPECT_TRUE(at::equal(layer.Get("w_log2_scale"), scale));
  EXPECT_TRUE(at::equal(layer.Get("x_clip"), clip));
}

TEST(LearnedScale, AScaleThatVanishesIsNamed) {
  Layer layer({"", "nvfp4+lsq", "fp32"});
  const at::Tensor x = at::randn({1, 32, 4, 4});
  layer.forward(x);
  {
    const torch::NoGradGuard no_grad;
    layer.Get("w_log2_scale")[3] = -200;
  }
  try {
    layer.forward(x);
    FAIL() << "not refused";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(),
                HasSubstr("layer layer, operand fprop_w: the learnt scale of a "
                          "weight is 0;"));
  }
}

TEST(LearnedScale, AnotherPolicyHasNoUseForThem) {
  Layer layer({"", "nvfp4+lsq", "nvfp4+pact"});
  const at::Tensor x = at::randn({1, 32, 4, 4});
  layer.forward(x);
  ASSERT_TRUE(Quantize(*layer.root, *Policy::Parse("fp32"),
                       std::make_shared<QuantContext>())
                  .ok());
  layer.forward(x).sum().backward();
  EXPECT_FALSE(layer.Get("w_log2_scale").grad().defined());
  EXPECT_FALSE(layer.Get("x_clip").grad().defined());
}

}  // namespace
}  // namespace cnn_fp4::nn
