// The mean of many backward passes under stochastic rounding tends to the
// expectation that numerics state: a block's values clamped to what E2M1 can
// hold at its scale. Rounding to nearest, which is biased, fails the same test.

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "nn/layers/quant_convolution.h"
#include "nn/precision/policy.h"
#include "quant/quantizer.h"
#include "quant/random_hadamard.h"

namespace cnn_fp4::nn {
namespace {

constexpr int kPasses = 10000;
// Of some hundred elements none leaves five standard errors by chance.
constexpr double kStandardErrors = 5;
constexpr float kLargestE2m1 = 6;
constexpr uint8_t kTwoCodesOfTwo = 0x44;

// What a stochastic operand is in the mean, from one that was quantised.
GemmOperand Expectation(const QuantizedOperand& quantized,
                        const GemmOperand& operand) {
  quant::PackedTensor twos = quantized.packed;
  for (uint8_t& codes : twos.codes) codes = kTwoCodesOfTwo;
  at::Tensor scales = at::empty_like(quantized.source);
  const size_t size = scales.numel();
  const auto tensor_scale =
      quant::OperandValues(twos, {scales.data_ptr<float>(), size});
  EXPECT_TRUE(tensor_scale.ok()) << tensor_scale.status();
  scales = scales / 2;
  at::Tensor source = quantized.source.clone();
  if (quantized.packed.recipe.hadamard) {
    EXPECT_TRUE(quant::RotateGroups({source.data_ptr<float>(), size},
                                    quant::kDefaultHadamardSigns,
                                    {source.data_ptr<float>(), size})
                    .ok());
  }
  const at::Tensor codes =
      (source / (scales * *tensor_scale)).clamp(-kLargestE2m1, kLargestE2m1);
  return {codes * scales, operand.scale, operand.form};
}

class Keeper : public GemmObserver {
 public:
  void OnOperand(const GemmSite& site, const at::Tensor&,
                 const GemmOperand& operand,
                 const QuantizedOperand* quantized) override {
    operands[site.operand] = operand;
    if (quantized == nullptr) return;
    expectations[site.operand] = Expectation(*quantized, operand);
  }
  std::map<Operand, GemmOperand> operands, expectations;
};

struct Sum {
  at::Tensor first, second;  // Of the values and of their squares.

  void Add(const at::Tensor& value) {
    const at::Tensor v = value.to(at::kDouble);
    first = first.defined() ? first + v : v;
    second = second.defined() ? second + v * v : v * v;
  }
  // How many elements of the mean are further from `expected` than chance and
  // FP32 sums of `products` products explain.
  int64_t Strays(const at::Tensor& expected, int64_t products) const {
    const at::Tensor mean = first / kPasses;
    const at::Tensor variance = (second / kPasses - mean * mean).clamp_min(0);
    const double rounding = ConvGemmsTolerance(products) *
                            std::numeric_limits<float>::epsilon() *
                            expected.abs().max().item<double>();
    const at::Tensor bound =
        (variance / kPasses).sqrt() * kStandardErrors + rounding;
    return ((mean - expected).abs() > bound).sum().item<int64_t>();
  }
};

struct Strays {
  int64_t dx, dw;
};

Strays MeanOfPasses(const std::string& text) {
  const auto policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  const auto precision = policy->Resolve({LayerInfo{"layer"}});
  EXPECT_TRUE(precision.ok()) << precision.status();
  auto context = std::make_shared<QuantContext>();
  context->seed = 3;
  const auto spec = std::make_shared<ConvSpec>(
      ConvSpec{"layer", {{1, 1}, {1, 1}}, (*precision)[0], context});
  torch::manual_seed(6);
  const at::Tensor x = at::randn({1, 3, 4, 4}).requires_grad_();
  const at::Tensor w = at::randn({16, 3, 3, 3}).requires_grad_();
  const at::Tensor dy = at::randn({1, 16, 4, 4});
  const at::Tensor y = QuantConvolution(x, w, {}, spec);
  Keeper keeper;
  Sum dx, dw;
  for (int i = 0; i < kPasses; ++i) {
    context->step = i;
    const auto gradients = torch::autograd::grad({y}, {x, w}, {dy}, true);
    dx.Add(gradients[0]);
    dw.Add(gradients[1]);
  }
  {
    const ObserverScope scope(*context, keeper);
    const at::Tensor again = QuantConvolution(x, w, {}, spec);
    torch::autograd::grad({again}, {x, w}, {dy});
  }
  const torch::NoGradGuard no_grad;
  const ConvGemms& gemms = AtenFp32Gemms();
  const at::Tensor expected_dx =
      gemms.Dgrad(keeper.expectations[Operand::kDgradDy],
                  keeper.operands[spec->precision.dgrad_w ? Operand::kDgradW
                                                          : Operand::kFpropW],
                  x, spec->geometry);
  const at::Tensor expected_dw =
      gemms.Wgrad(keeper.expectations[Operand::kWgradDy],
                  keeper.operands[Operand::kWgradX], w, spec->geometry);
  return {dx.Strays(expected_dx, 16 * 9), dw.Strays(expected_dw, 16)};
}

TEST(StochasticGradient, TheMeanTendsToTheStatedExpectation) {
  for (const std::string policy : {"nvfp4_all", "nvfp4_all:layer=mxfp4_sr"}) {
    SCOPED_TRACE(policy);
    const Strays strays = MeanOfPasses(policy);
    EXPECT_EQ(strays.dx, 0);
    EXPECT_EQ(strays.dw, 0);
  }
}

TEST(StochasticGradient, RoundingToNearestFailsTheSameTest) {
  const Strays strays = MeanOfPasses("nvfp4_all:layer=nvfp4_no_sr");
  EXPECT_GT(strays.dx, 0);
  EXPECT_GT(strays.dw, 0);
}

}  // namespace
}  // namespace cnn_fp4::nn
