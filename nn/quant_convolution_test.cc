#include "nn/quant_convolution.h"

#include <torch/torch.h>

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/gemm_operand.h"
#include "nn/gemm_operand_tensor.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

// FP32 accumulation of up to 600 products of order one against FP64.
constexpr double kAccumulationTolerance =
    64 * std::numeric_limits<float>::epsilon();

struct Case {
  std::string name;
  ConvGeometry geometry;
  std::vector<int64_t> x, w;
};

// The second block of 16 is short on purpose.
std::vector<Case> Cases() {
  return {{"conv3x3", {1, 1, false}, {2, 19, 3, 4}, {2, 19, 3, 3}},
          {"conv1x1", {1, 0, false}, {2, 16, 4, 3}, {3, 16, 1, 1}},
          {"transposed2x2", {2, 0, true}, {1, 19, 2, 3}, {19, 3, 2, 2}}};
}

int64_t OutChannels(const Case& c) {
  return c.w[c.geometry.transposed ? 1 : 0];
}

at::Tensor TorchConvolution(const Case& c, const at::Tensor& x,
                            const at::Tensor& w, const at::Tensor& b) {
  const ConvGeometry& g = c.geometry;
  return at::convolution(x, w, b, {g.stride, g.stride}, {g.padding, g.padding},
                         {1, 1}, g.transposed, {0, 0}, 1);
}

std::shared_ptr<const ConvSpec> Spec(const Case& c,
                                     const ConvPrecision& precision) {
  return std::make_shared<ConvSpec>(ConvSpec{c.name, c.geometry, precision});
}

ConvPrecision Policy(const std::string& name) {
  return *FindConvPrecision(name);
}

struct Tensors {
  at::Tensor x, w, b, dy;
};

Tensors Draw(const Case& c, const at::TensorOptions& options = {}) {
  torch::manual_seed(7);
  Tensors t;
  t.x = at::randn(c.x, options);
  t.w = at::randn(c.w, options) * 0.3;
  t.b = at::randn({OutChannels(c)}, options);
  t.dy = at::randn_like(TorchConvolution(c, t.x, t.w, t.b));
  return t;
}

// What the operand stands for, in FP64.
at::Tensor Dequantized(const at::Tensor& t, const OperandFormat& format,
                       int axis) {
  const auto operand = MakeGemmOperand(t, format, {axis});
  EXPECT_TRUE(operand.ok()) << operand.status();
  return operand->values.to(at::kDouble) * operand->scale;
}

// Largest difference in units of the largest expected value.
double RelativeError(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max() /
          expected.abs().max().to(at::kDouble))
      .item<double>();
}

void ForwardBackward(const Case& c, const ConvPrecision& precision, Tensors& t,
                     at::Tensor* y) {
  t.x.requires_grad_();
  t.w.requires_grad_();
  t.b.requires_grad_();
  *y = QuantConvolution(t.x, t.w, t.b, Spec(c, precision));
  y->backward(t.dy);
}

TEST(QuantConvolution, IdentityOperandsGiveTorchsConvolution) {
  // FP16 operands and FP16 data: the quantisers change nothing, and the custom
  // function, not torch's own, computes.
  ConvPrecision identity = Policy("fp16");
  identity.result = PlainFormat::kFloat32;
  for (const Case& c : Cases()) {
    Tensors ours = Draw(c);
    for (at::Tensor* t : {&ours.x, &ours.w, &ours.b, &ours.dy}) {
      *t = RoundTo(*t, PlainFormat::kFloat16);
    }
    Tensors torchs = ours;
    for (at::Tensor* t : {&torchs.x, &torchs.w, &torchs.b}) {
      *t = t->clone().requires_grad_();
    }
    at::Tensor y;
    ForwardBackward(c, identity, ours, &y);
    const at::Tensor expected =
        TorchConvolution(c, torchs.x, torchs.w, torchs.b);
    expected.backward(torchs.dy);
    EXPECT_LT(RelativeError(y, expected), kAccumulationTolerance) << c.name;
    EXPECT_LT(RelativeError(ours.x.grad(), torchs.x.grad()),
              kAccumulationTolerance)
        << c.name;
    EXPECT_LT(RelativeError(ours.w.grad(), torchs.w.grad()),
              kAccumulationTolerance)
        << c.name;
    EXPECT_LT(RelativeError(ours.b.grad(), torchs.b.grad()),
              kAccumulationTolerance)
        << c.name;
  }
}

TEST(QuantConvolution, ForwardIsTheConvolutionOfDequantizedOperands) {
  for (const std::string name : {"nvfp4", "nvfp4_seed", "mxfp4"}) {
    const ConvPrecision precision = Policy(name);
    for (const Case& c : Cases()) {
      Tensors t = Draw(c);
      at::Tensor y;
      ForwardBackward(c, precision, t, &y);
      const at::Tensor expected =
          TorchConvolution(c, Dequantized(t.x.detach(), precision.fprop_x, 1),
                           Dequantized(t.w.detach(), precision.fprop_w,
                                       FpropWeightAxis(c.geometry)),
                           t.b.detach().to(at::kDouble));
      EXPECT_LT(RelativeError(y, expected), kAccumulationTolerance)
          << name << " " << c.name;
    }
  }
}

// Directional derivatives of the documented surrogate, by central differences
// in FP64. It is affine in x for fixed w and the other way round, so that the
// difference quotient has no truncation error.
double Directional(const Case& c, const Tensors& t, const at::Tensor& qx,
                   const at::Tensor& qw, const at::Tensor& direction,
                   bool along_x) {
  const double h = 0.5;
  const auto loss = [&](double sign) {
    const at::Tensor x = along_x ? qx + sign * h * direction : qx;
    const at::Tensor w = along_x ? qw : qw + sign * h * direction;
    return (TorchConvolution(c, x, w, t.b.detach().to(at::kDouble)) *
            t.dy.to(at::kDouble))
        .sum()
        .item<double>();
  };
  return (loss(1) - loss(-1)) / (2 * h);
}

TEST(QuantConvolution, GradientsAreThoseOfTheDocumentedSurrogate) {
  // Thousands of tiny convolutions: waking a second thread costs more.
  at::set_num_threads(1);
  for (const std::string name : {"nvfp4", "nvfp4_seed", "mxfp4"}) {
    const ConvPrecision precision = Policy(name);
    for (const Case& c : Cases()) {
      Tensors t = Draw(c);
      at::Tensor y;
      ForwardBackward(c, precision, t, &y);
      const at::Tensor qx = Dequantized(t.x.detach(), precision.fprop_x, 1);
      const at::Tensor qw = Dequantized(t.w.detach(), precision.fprop_w,
                                        FpropWeightAxis(c.geometry));
      for (const bool along_x : {true, false}) {
        const at::Tensor& variable = along_x ? t.x : t.w;
        const at::Tensor gradient = variable.grad().flatten();
        const double scale = gradient.abs().max().item<double>();
        // Every column of the Jacobian-vector product.
        for (int64_t i = 0; i < variable.numel(); ++i) {
          at::Tensor direction = at::zeros({variable.numel()}, at::kDouble);
          direction[i] = 1.0;
          const double numeric = Directional(
              c, t, qx, qw, direction.view(variable.sizes()), along_x);
          ASSERT_NEAR(gradient[i].item<double>(), numeric,
                      scale * kAccumulationTolerance)
              << name << " " << c.name << (along_x ? " x " : " w ") << i;
        }
      }
    }
  }
}

// The operands of the backward GEMMs, filled in: each along its own reduction
// axis and from the high-precision source.
TEST(QuantConvolution, QuantizesTheBackwardGemmsWhenThePolicySaysSo) {
  ConvPrecision precision = Policy("nvfp4");
  const OperandFormat fp4 = precision.fprop_x;
  precision.dgrad_dy = precision.wgrad_dy = fp4;
  precision.dgrad_w = precision.wgrad_x = fp4;
  for (const Case& c : Cases()) {
    Tensors t = Draw(c);
    at::Tensor y;
    ForwardBackward(c, precision, t, &y);
    const int kPositions = ReductionAxis::kPositions;
    const at::Tensor x = t.x.detach(), w = t.w.detach();
    const ConvGeometry& g = c.geometry;
    const auto backward = [&](const at::Tensor& dy, const at::Tensor& qx,
                              const at::Tensor& qw) {
      return at::convolution_backward(
          dy, qx, qw, at::OptionalIntArrayRef(), {g.stride, g.stride},
          {g.padding, g.padding}, {1, 1}, g.transposed, {0, 0}, 1,
          {true, true, false});
    };
    const at::Tensor dx =
        std::get<0>(backward(Dequantized(t.dy, fp4, 1), x.to(at::kDouble),
                             Dequantized(w, fp4, DgradWeightAxis(g))));
    const at::Tensor dw = std::get<1>(
        backward(Dequantized(t.dy, fp4, kPositions),
                 Dequantized(x, fp4, kPositions), w.to(at::kDouble)));
    EXPECT_LT(RelativeError(t.x.grad(), dx), kAccumulationTolerance) << c.name;
    EXPECT_LT(RelativeError(t.w.grad(), dw), kAccumulationTolerance) << c.name;
  }
}

TEST(QuantConvolution, Fp16RoundsOperandsAndResults) {
  const ConvPrecision fp16 = Policy("fp16");
  for (const Case& c : Cases()) {
    Tensors t = Draw(c);
    at::Tensor y;
    ForwardBackward(c, fp16, t, &y);
    for (const at::Tensor& result : {y, t.x.grad(), t.w.grad()}) {
      EXPECT_TRUE(at::equal(result, RoundTo(result, PlainFormat::kFloat16)))
          << c.name;
    }
    const at::Tensor exact = TorchConvolution(
        c, RoundTo(t.x.detach(), PlainFormat::kFloat16).to(at::kDouble),
        RoundTo(t.w.detach(), PlainFormat::kFloat16).to(at::kDouble),
        t.b.detach().to(at::kDouble));
    // Half a unit in the last place of FP16.
    EXPECT_LT(RelativeError(y, exact), 1.0 / 2048) << c.name;
  }
}

TEST(QuantConvolution, ExactProductsHaveAtMostSixSignificantBits) {
  torch::manual_seed(3);
  const at::Tensor x = at::randn({2, 48, 5, 5}) * 1e-3;
  const auto operand = MakeGemmOperand(x, Policy("nvfp4").fprop_x, {1});
  ASSERT_TRUE(operand.ok()) << operand.status();
  EXPECT_TRUE(at::equal(operand->values,
                        operand->values.to(at::kBFloat16).to(at::kFloat)));
  EXPECT_TRUE(
      at::equal(operand->values, operand->values.to(at::kHalf).to(at::kFloat)));
  EXPECT_GT(operand->values.abs().max().item<float>(), 448.0f);
}

TEST(QuantConvolution, ANonFiniteOperandNamesLayerAndOperand) {
  const Case c = Cases()[0];
  Tensors t = Draw(c);
  t.x[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  try {
    QuantConvolution(t.x, t.w, t.b, Spec(c, Policy("nvfp4")));
    FAIL() << "no exception";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("conv3x3"));
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("x of fprop"));
  }
}

TEST(QuantConvolution, RefusesDoubleBackward) {
  const Case c = Cases()[0];
  Tensors t = Draw(c);
  t.x.requires_grad_();
  const at::Tensor y =
      QuantConvolution(t.x, t.w, t.b, Spec(c, Policy("nvfp4")));
  EXPECT_THROW(torch::autograd::grad({y.sum()}, {t.x}, {}, true, true),
               c10::Error);
}

}  // namespace
}  // namespace cnn_fp4::nn
