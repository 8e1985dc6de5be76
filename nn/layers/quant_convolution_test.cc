#include "nn/layers/quant_convolution.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/layers/conv_cases.h"
#include "nn/layers/dequantized_operand.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

std::shared_ptr<const ConvSpec> Spec(const ConvCase& c,
                                     const ConvPrecision& precision) {
  return std::make_shared<ConvSpec>(ConvSpec{c.name, c.geometry, precision,
                                             std::make_shared<QuantContext>()});
}

// What a policy makes of a layer that is called "layer". Stochastic roundings
// become those to nearest: random bits have tests of their own.
ConvPrecision Precision(const std::string& text) {
  const auto policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  LayerInfo layer;
  layer.name = "layer";
  const auto precisions = policy->Resolve({layer});
  EXPECT_TRUE(precisions.ok()) << precisions.status();
  ConvPrecision precision = (*precisions)[0];
  for (const Operand operand : kOperands) {
    const OperandFormat* const format = precision.Get(operand);
    if (format == nullptr || format->recipe() == nullptr) continue;
    quant::Recipe recipe = *format->recipe();
    recipe.rounding = quant::Rounding::kNearestEven;
    precision.Set(operand, {recipe, format->blocking});
  }
  return precision;
}

// All named policies, and some with backward GEMMs of their own.
std::vector<std::string> PolicyTexts() {
  std::vector<std::string> texts = {
      "nvfp4_forward_all:layer/dgrad_dy=nvfp4:layer/dgrad_w=nvfp4:"
      "layer/wgrad_dy=nvfp4:layer/wgrad_x=nvfp4",
      "nvfp4_forward_all:layer/wgrad_dy=mxfp4",
      "fp16:layer/fprop_x=mxfp4:layer/dgrad_w=nvfp4:layer/wgrad_dy=bf16",
      "fp32:layer/dgrad_dy=mxfp4:layer/wgrad_x=nvfp4_mse",
      "mxfp4_forward_all:layer/fprop_w=fp32:layer/dgrad_w=fp16:"
      "layer/wgrad_x=bf16"};
  for (const NamedPolicy& policy : Policies()) texts.push_back(policy.name);
  return texts;
}

struct Tensors {
  at::Tensor x, w, b, dy;
};

Tensors Draw(const ConvCase& c) {
  torch::manual_seed(7);
  Tensors t;
  t.x = at::randn(c.x);
  t.w = at::randn(c.w) * 0.3;
  t.b = at::randn({OutChannels(c)});
  t.dy = at::randn_like(TorchConvolution(c, t.x, t.w, t.b));
  for (at::Tensor* const leaf : {&t.x, &t.w, &t.b}) leaf->requires_grad_();
  return t;
}

// Forward and backward; the gradients are those of the leaves.
at::Tensor Compute(const ConvCase& c, const ConvPrecision& precision,
                   const Tensors& t) {
  const at::Tensor y = QuantConvolution(t.x, t.w, t.b, Spec(c, precision));
  y.backward(t.dy);
  return y.detach();
}

at::Tensor OperandOf(const Tensors& t, const ConvCase& c,
                     const ConvPrecision& precision, Operand operand) {
  const OperandFormat* const format = precision.Get(operand);
  switch (operand) {
    case Operand::kFpropX:
      return DequantizedOperand(t.x, operand, c.geometry, *format);
    case Operand::kFpropW:
      return DequantizedOperand(t.w, operand, c.geometry, *format);
    case Operand::kDgradDy:
      return DequantizedOperand(t.dy, operand, c.geometry, *format);
    case Operand::kDgradW:
      return format != nullptr
                 ? DequantizedOperand(t.w, operand, c.geometry, *format)
                 : OperandOf(t, c, precision, Operand::kFpropW);
    case Operand::kWgradDy:
    case Operand::kWgradX:
      break;  // RowsOfWgrad.
  }
  return {};
}

// The operands of wgrad as matrices: the one that is not unfolded first.
std::pair<at::Tensor, at::Tensor> RowsOfWgrad(const Tensors& t,
                                              const ConvCase& c,
                                              const ConvPrecision& precision) {
  const at::IntArrayRef kernel(&c.w[2], 2);
  const bool transposed = c.geometry.transposed;
  const at::Tensor dy =
      DequantizedRows(t.dy, transposed, kernel, c.geometry, precision.wgrad_dy);
  const at::Tensor x =
      precision.wgrad_x
          ? DequantizedRows(t.x, !transposed, kernel, c.geometry,
                            *precision.wgrad_x)
          : RowsOfGemm(OperandOf(t, c, precision, Operand::kFpropX),
                       !transposed, kernel, c.geometry);
  return transposed ? std::make_pair(x, dy) : std::make_pair(dy, x);
}

at::Tensor ProductOfRows(const ConvCase& c, const at::Tensor& a,
                         const at::Tensor& b) {
  const int64_t groups = c.geometry.groups;
  const int64_t k = std::max(a.size(1), b.size(1));
  const auto padded = [&](const at::Tensor& rows) {
    return at::constant_pad_nd(rows, {0, k - rows.size(1)})
        .view({groups, -1, k});
  };
  return at::bmm(padded(a), padded(b).transpose(1, 2)).view(c.w);
}

// One gradient of torch's convolution in FP64. `which`: 0 for dx, 1 for dw.
at::Tensor Gradient(int which, const ConvCase& c, const at::Tensor& dy,
                    const at::Tensor& x, const at::Tensor& w) {
  const at::Tensor leaf = (which == 0 ? x : w).detach().requires_grad_();
  const at::Tensor y =
      TorchConvolution(c, which == 0 ? leaf : x, which == 0 ? w : leaf, {});
  return torch::autograd::grad({y}, {leaf}, {dy})[0];
}

// Every element within the tolerance of the GEMM of `products` products, and
// of the rounding of its result. `magnitude` is the exact result with all
// summands positive.
void ExpectResult(const at::Tensor& actual, const at::Tensor& exact,
                  const at::Tensor& magnitude, int64_t products,
                  PlainFormat format = PlainFormat::kFloat32) {
  at::Tensor bound = magnitude * (ConvGemmsTolerance(products) * kEpsilon);
  if (format != PlainFormat::kFloat32) {
    const double epsilon = format == PlainFormat::kFloat16
                               ? std::numeric_limits<at::Half>::epsilon()
                               : std::numeric_limits<at::BFloat16>::epsilon();
    bound = bound + (exact.abs() + bound) * (kRoundToTolerance * epsilon);
  }
  ASSERT_EQ(actual.sizes(), exact.sizes());
  const at::Tensor excess = (actual.to(at::kDouble) - exact).abs() - bound;
  EXPECT_LE(excess.max().item<double>(), 0) << "at " << excess.argmax();
}

void ExpectResults(const ConvCase& c, const ConvPrecision& precision,
                   const Tensors& t, const at::Tensor& y) {
  using O = Operand;
  const auto get = [&](O o) { return OperandOf(t, c, precision, o); };
  const PlainFormat result = precision.result;
  const int64_t kernel = c.w[2] * c.w[3], groups = c.geometry.groups;
  const at::Tensor b = t.b.detach().to(at::kDouble);
  {
    SCOPED_TRACE("y");
    const at::Tensor x = get(O::kFpropX), w = get(O::kFpropW);
    ExpectResult(y, TorchConvolution(c, x, w, b),
                 TorchConvolution(c, x.abs(), w.abs(), b.abs()),
                 c.x[1] / groups * kernel, result);
  }
  {
    SCOPED_TRACE("dx");
    const at::Tensor dy = get(O::kDgradDy), w = get(O::kDgradW);
    const at::Tensor x = t.x.detach().to(at::kDouble);
    ExpectResult(t.x.grad(), Gradient(0, c, dy, x, w),
                 Gradient(0, c, dy.abs(), x, w.abs()),
                 OutChannels(c) / groups * kernel, result);
  }
  {
    SCOPED_TRACE("dw");
    const auto [a, b] = RowsOfWgrad(t, c, precision);
    ExpectResult(t.w.grad(), ProductOfRows(c, a, b),
                 ProductOfRows(c, a.abs(), b.abs()), a.size(1), result);
  }
  SCOPED_TRACE("db");
  const at::Tensor dy = t.dy.to(at::kDouble);
  ExpectResult(t.b.grad(), dy.sum(at::IntArrayRef({0, 2, 3})),
               dy.abs().sum(at::IntArrayRef({0, 2, 3})),
               dy.numel() / dy.size(1));
}

TEST(QuantConvolution, IdentityOperandsGiveTorchsConvolution) {
  // FP16 operands of numbers that are FP16: the quantisers change nothing, and
  // the custom function, not torch's own, computes.
  const ConvPrecision identity = Precision("fp32:layer=fp16");
  for (const ConvCase& c : ConvCases()) {
    SCOPED_TRACE(c.name);
    Tensors ours = Draw(c), torchs = ours;
    const auto half = [](const at::Tensor& t) {
      return t.detach().to(at::kHalf).to(at::kFloat);
    };
    ours.dy = torchs.dy = half(ours.dy);
    for (Tensors* const t : {&ours, &torchs}) {
      for (at::Tensor* const leaf : {&t->x, &t->w, &t->b}) {
        *leaf = half(*leaf).requires_grad_();
      }
    }
    const at::Tensor y = Compute(c, identity, ours);
    const at::Tensor expected =
        TorchConvolution(c, torchs.x, torchs.w, torchs.b);
    expected.backward(torchs.dy);
    ExpectResults(c, identity, torchs, expected.detach());
    ExpectResults(c, identity, ours, y);
  }
}

TEST(QuantConvolution, EveryGemmMultipliesTheOperandsOfThePolicy) {
  for (const std::string& text : PolicyTexts()) {
    const ConvPrecision precision = Precision(text);
    for (const ConvCase& c : ConvCases()) {
      SCOPED_TRACE(text + " " + c.name);
      const Tensors t = Draw(c);
      ExpectResults(c, precision, t, Compute(c, precision, t));
    }
  }
}

bool IsStraightThrough(const ConvPrecision& precision) {
  const OperandFormat fp32;
  return !precision.full_precision() && precision.dgrad_dy == fp32 &&
         precision.wgrad_dy == fp32 && !precision.dgrad_w &&
         !precision.wgrad_x && precision.result == PlainFormat::kFloat32;
}

// Directional derivatives of the documented surrogate, by central differences
// in FP64. It is affine in x for fixed w and the other way round, so that the
// difference quotient has no truncation error.
TEST(QuantConvolution, GradientsAreThoseOfTheDocumentedSurrogate) {
  int policies = 0;
  for (const NamedPolicy& policy : Policies()) {
    const ConvPrecision& precision = policy.precision;
    if (!IsStraightThrough(precision)) continue;
    ++policies;
    for (const ConvCase& c : ConvCases()) {
      SCOPED_TRACE(policy.name + " " + c.name);
      const Tensors t = Draw(c);
      Compute(c, precision, t);
      const at::Tensor dy = t.dy.to(at::kDouble);
      const at::Tensor qx = OperandOf(t, c, precision, Operand::kFpropX);
      const at::Tensor qw = OperandOf(t, c, precision, Operand::kFpropW);
      for (const bool along_x : {true, false}) {
        const at::Tensor& variable = along_x ? t.x : t.w;
        at::Tensor numeric = at::empty(variable.sizes(), at::kDouble);
        const auto loss = [&](const at::Tensor& step) {
          return (TorchConvolution(c, along_x ? qx + step : qx,
                                   along_x ? qw : qw + step, {}) *
                  dy)
              .sum()
              .item<double>();
        };
        const double h = 0.5;
        for (int64_t i = 0; i < variable.numel(); ++i) {
          at::Tensor step = at::zeros(variable.sizes(), at::kDouble);
          step.data_ptr<double>()[i] = h;
          numeric.data_ptr<double>()[i] = (loss(step) - loss(-step)) / (2 * h);
        }
        const int which = along_x ? 0 : 1;
        ExpectResult(variable.grad(), numeric,
                     Gradient(which, c, dy.abs(), qx.abs(), qw.abs()),
                     along_x ? OutChannels(c) * c.w[2] * c.w[3]
                             : dy.numel() / dy.size(1));
      }
    }
  }
  EXPECT_GT(policies, 0);
}

TEST(QuantConvolution, ResultsAreRoundedToTheirFormat) {
  for (const ConvCase& c : ConvCases()) {
    SCOPED_TRACE(c.name);
    const Tensors t = Draw(c);
    const at::Tensor y = Compute(c, Precision("fp16"), t);
    for (const at::Tensor& result : {y, t.x.grad(), t.w.grad()}) {
      EXPECT_TRUE(at::equal(result, result.to(at::kHalf).to(at::kFloat)));
    }
  }
}

TEST(QuantConvolution, WithoutABiasOnlyTheBiasIsMissing) {
  for (const std::string& text : PolicyTexts()) {
    for (const ConvCase& c : ConvCases()) {
      SCOPED_TRACE(text + " " + c.name);
      Tensors with = Draw(c), without = Draw(c);
      with.b = at::zeros({OutChannels(c)}).requires_grad_();
      without.b = at::Tensor();
      const at::Tensor y = Compute(c, Precision(text), without);
      EXPECT_TRUE(at::equal(y, Compute(c, Precision(text), with)));
      EXPECT_TRUE(at::equal(without.x.grad(), with.x.grad()));
      EXPECT_TRUE(at::equal(without.w.grad(), with.w.grad()));
    }
  }
}

// What running the layer throws, or "" if it does not.
std::string Error(const ConvCase& c, const std::string& policy,
                  const Tensors& t) {
  try {
    Compute(c, Precision(policy), t);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

TEST(QuantConvolution, ANonFiniteOperandNamesLayerOperandAndIndex) {
  const ConvCase c = ConvCases()[0];
  const std::string policy = "nvfp4_all";
  const auto error = [&](at::Tensor Tensors::*member, int64_t index) {
    const Tensors t = Draw(c);
    (t.*member).data_ptr<float>()[index] =
        std::numeric_limits<float>::quiet_NaN();
    return Error(c, policy, t);
  };
  EXPECT_THAT(
      error(&Tensors::x, 31),
      AllOf(HasSubstr("conv3x3"), HasSubstr("fprop_x"), HasSubstr("31")));
  EXPECT_THAT(
      error(&Tensors::w, 17),
      AllOf(HasSubstr("conv3x3"), HasSubstr("fprop_w"), HasSubstr("17")));
  EXPECT_EQ(Error(c, policy, Draw(c)), "");
}

// The trainer skips such a step.
TEST(QuantConvolution, ANonFiniteGradientPropagates) {
  for (const std::string policy : {"nvfp4_all", "mxfp4", "nvfp4_forward_all"}) {
    const ConvCase c = ConvCases()[0];
    const Tensors t = Draw(c);
    t.dy.data_ptr<float>()[13] = std::numeric_limits<float>::infinity();
    EXPECT_EQ(Error(c, policy, t), "");
    EXPECT_FALSE(t.x.grad().isfinite().all().item<bool>());
    EXPECT_FALSE(t.w.grad().isfinite().all().item<bool>());
  }
}

TEST(QuantConvolution, RefusesDoubleBackward) {
  const ConvCase c = ConvCases()[0];
  const Tensors t = Draw(c);
  const at::Tensor y =
      QuantConvolution(t.x, t.w, t.b, Spec(c, Precision("nvfp4_forward_all")));
  EXPECT_THROW(torch::autograd::grad({y.sum()}, {t.x}, {}, true, true),
               c10::Error);
}

}  // namespace
}  // namespace cnn_fp4::nn
