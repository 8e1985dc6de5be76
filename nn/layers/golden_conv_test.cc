// What each policy computes, as literals that hold on every CPU.
//
// Sums of FP32 depend on their order, which depends on the CPU, unless they are
// exact. The inputs are made so that they are: x, w and dy are small integers
// times a power of two, a few with one more bit, with a largest element of 21 =
// 2688 / 128, so that the tensor scale of NVFP4 is a power of two, too. Every
// operand is then a small multiple of a power of two u, whatever the policy;
// products are multiples of u_a * u_b; and as long as the absolute products of
// one sum stay below 2^24 of those, each partial sum in any order, with or
// without FMA, has 24 bits and is exact. The test checks this of what was
// multiplied, and computes each result once more in FP64.

#include <torch/torch.h>

#include <cmath>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/fnv1a.h"
#include "gtest/gtest.h"
#include "nn/layers/golden_conv_values.h"
#include "nn/layers/quant_convolution.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

constexpr double kFloatIntegers = 16777216.0;  // 2^24

// Integers between -5 and 5, most of them small, a few that are 21, and a few
// that are a bit more than 3, times `unit`.
at::Tensor Integers(at::IntArrayRef shape, uint32_t salt, double unit,
                    double bit) {
  at::Tensor tensor = at::empty(shape);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const uint32_t bits = base::Fnv1a32(absl::StrCat("golden ", salt, " ", i));
    double value = bits % 6;
    if (bits / 8 % 2 == 0) value = std::floor(value / 2);
    if (i % 31 == 5) value = 3 + bit;
    if (i % 97 == 41) value = 21;
    tensor.data_ptr<float>()[i] =
        static_cast<float>((bits / 16 % 2 ? value : -value) * unit);
  }
  return tensor;
}

// Keeps what was multiplied.
class Keeper : public GemmObserver {
 public:
  void OnOperand(const GemmSite& site, const at::Tensor&,
                 const GemmOperand& operand, const QuantizedOperand*) override {
    operands_[site.operand] = operand;
  }
  // `fallback`: the operand of fprop that was used again, or a plain FP32
  // source of a layer that LibTorch computes by itself.
  GemmOperand Get(Operand operand, const GemmOperand& fallback) const {
    const auto found = operands_.find(operand);
    return found == operands_.end() ? fallback : found->second;
  }

 private:
  std::map<Operand, GemmOperand> operands_;
};

double Scale(const GemmOperand& operand) {
  return operand.scale.defined() ? operand.scale.item<double>() : 1.0;
}

bool IsPowerOfTwo(double value) {
  int exponent;
  return std::frexp(value, &exponent) == 0.5;
}

// The largest power of two of which all elements are multiples.
double Unit(const at::Tensor& tensor) {
  double unit = 0;
  const at::Tensor flat = tensor.contiguous();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    int exponent;
    double value = std::frexp(flat.data_ptr<float>()[i], &exponent);
    if (value == 0) continue;
    while (value != std::floor(value)) value *= 2, --exponent;
    const double last = std::ldexp(1.0, exponent);
    unit = unit == 0 ? last : std::min(unit, last);
  }
  return unit;
}

// Rotated operands, and tensor scales that are no power of two, leave no sums
// that are exact: their operands themselves are the golden bits.
bool MayBeExact(const GemmOperand& a, const GemmOperand& b) {
  return IsPowerOfTwo(Scale(a)) && IsPowerOfTwo(Scale(b));
}

// Expects that `sum`, which is bilinear in the values of two operands, is exact
// in FP32 in any order, and returns it with the tensor scales.
template <typename Sum>
at::Tensor Exact(const GemmOperand& a, const GemmOperand& b, const Sum& sum) {
  const at::Tensor va = a.values.to(at::kDouble), vb = b.values.to(at::kDouble);
  EXPECT_LT(sum(va.abs(), vb.abs()).max().template item<double>(),
            kFloatIntegers * Unit(a.values) * Unit(b.values));
  for (const GemmOperand& operand : {a, b}) {
    EXPECT_TRUE(IsPowerOfTwo(Scale(operand)));
  }
  return sum(va, vb) * (Scale(a) * Scale(b));
}

// FNV-1a of the bytes, and the first and the last element.
std::string Summary(const at::Tensor& tensor) {
  // The sign of a zero depends on the order of its sum.
  const at::Tensor t = (tensor.detach() + 0.0f).contiguous();
  const float* const values = t.const_data_ptr<float>();
  const uint32_t checksum =
      base::Fnv1a32({reinterpret_cast<const char*>(values), t.nbytes()});
  return absl::StrFormat("%08x %.9g %.9g", checksum, values[0],
                         values[t.numel() - 1]);
}

// y, dx, dw and db of one convolution.
std::string Compute(const std::string& text, bool transposed) {
  ConvGeometry g;
  if (transposed) {
    g.stride = {2, 2};
  } else {
    g.padding = {1, 1};
  }
  g.transposed = transposed;
  const int64_t kernel = transposed ? 2 : 3;
  // FP16 rounds 3 + 2^-10 to 3, and results that have the last bits of b or dy.
  const at::Tensor x = Integers({2, 20, 3, 18}, 1, 1, 0x1p-10);
  at::Tensor w = transposed ? Integers({20, 18, 2, 2}, 2, 0.125, 0)
                            : Integers({18, 20, 3, 3}, 2, 0.125, 0);
  at::Tensor b = Integers({18}, 3, 1, 0x1p-8);
  at::Tensor leaf = x.clone().requires_grad_();
  w.requires_grad_();
  b.requires_grad_();

  const auto policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  LayerInfo info = {"golden", LayerRole::kOrdinary, 20, 18, kernel};
  const auto precisions = policy->Resolve({info});
  EXPECT_TRUE(precisions.ok()) << precisions.status();
  auto context = std::make_shared<QuantContext>();
  context->seed = 7;
  context->step = (int64_t{1} << 32) + 11;
  const auto spec = std::make_shared<ConvSpec>(
      ConvSpec{"golden", g, (*precisions)[0], context});
  Keeper keeper;
  const ObserverScope scope(*context, keeper);
  const at::Tensor y = QuantConvolution(leaf, w, b, spec).contiguous();
  const at::Tensor dy = Integers(y.sizes(), 4, 0.25, 0x1p-4);
  y.backward(dy);

  const torch::NoGradGuard no_grad;
  const PlainFormat result = spec->precision.result;
  // The golden text of one GEMM.
  const auto golden = [&](const char* name, const at::Tensor& actual,
                          const GemmOperand& a, const GemmOperand& b,
                          const auto& sum, const at::Tensor& add) {
    if (!MayBeExact(a, b)) {
      return absl::StrCat(name, " of ", Summary(a.values), " ",
                          absl::StrFormat("%.9g", Scale(a)), " and ",
                          Summary(b.values), " ",
                          absl::StrFormat("%.9g", Scale(b)));
    }
    const at::Tensor exact = Exact(a, b, sum) + add;
    const at::Tensor rounded =
        result == PlainFormat::kFloat32
            ? exact
            : exact
                  .to(result == PlainFormat::kFloat16 ? at::kHalf
                                                      : at::kBFloat16)
                  .to(at::kDouble);
    EXPECT_TRUE(at::equal(actual.to(at::kDouble), rounded)) << name;
    return absl::StrCat(name, " ", Summary(actual));
  };
  const GemmOperand plain_dy = {dy, {}};
  const GemmOperand fx = keeper.Get(Operand::kFpropX, {});
  const GemmOperand fw = keeper.Get(Operand::kFpropW, {});
  const GemmOperand dgrad_dy = keeper.Get(Operand::kDgradDy, plain_dy);
  const GemmOperand wgrad_dy = keeper.Get(Operand::kWgradDy, plain_dy);
  const GemmOperand wgrad_x = keeper.Get(Operand::kWgradX, fx);
  const at::Tensor x64 = x.to(at::kDouble), w64 = w.to(at::kDouble);
  const at::Tensor zero = at::zeros({1}, at::kDouble);
  EXPECT_TRUE(at::equal(b.grad().to(at::kDouble),
                        dy.to(at::kDouble).sum(at::IntArrayRef({0, 2, 3}))));
  const std::string of_y = golden(
      "y", y, fx, fw,
      [&](const at::Tensor& x, const at::Tensor& w) {
        return PlainConvolution(x, w, {}, g);
      },
      b.to(at::kDouble).view({1, -1, 1, 1}));
  const std::string of_dx = golden(
      "dx", leaf.grad(), dgrad_dy, keeper.Get(Operand::kDgradW, fw),
      [&](const at::Tensor& dy, const at::Tensor& w) {
        return std::get<0>(at::convolution_backward(
            dy, x64, w, at::OptionalIntArrayRef(), g.stride, g.padding,
            g.dilation, g.transposed, g.output_padding, g.groups,
            {true, false, false}));
      },
      zero);
  const std::string of_dw = golden(
      "dw", w.grad(), wgrad_dy, wgrad_x,
      [&](const at::Tensor& dy, const at::Tensor& x) {
        return AtenFp32Gemms().Wgrad({dy, {}, wgrad_dy.form},
                                     {x, {}, wgrad_x.form}, w64, g);
      },
      zero);
  return absl::StrCat(of_y, ", ", of_dx, ", ", of_dw, ", db ",
                      Summary(b.grad()));
}

TEST(GoldenConvolution, EveryPolicyComputesTheseBits) {
  std::vector<std::string> policies = {kOverrides};
  for (const NamedPolicy& policy : Policies()) policies.push_back(policy.name);
  ASSERT_EQ(policies.size(), std::size(kGoldens));
  for (size_t i = 0; i < policies.size(); ++i) {
    SCOPED_TRACE(policies[i]);
    EXPECT_EQ(policies[i], kGoldens[i].policy);
    EXPECT_EQ(Compute(policies[i], false), kGoldens[i].plain);
    EXPECT_EQ(Compute(policies[i], true), kGoldens[i].transposed);
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
