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
#include "nn/layers/quant_convolution.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::nn {
namespace {

constexpr double kFloatIntegers = 16777216.0;  // 2^24

// Some of the operands that no named policy has, and random bits: these depend
// on the layer's name, the seed and the step, too.
constexpr char kOverrides[] =
    "nvfp4_forward_all:golden/fprop_x=nvfp4_four_over_six_448:"
    "golden/fprop_w=nvfp4_2d:golden/dgrad_dy=mxfp4+block=16:"
    "golden/dgrad_w=nvfp4:golden/wgrad_dy=pow2_1x16+sr:golden/wgrad_x=mxfp4";

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

struct Golden {
  const char* policy;
  const char* plain;       // 3x3
  const char* transposed;  // 2x2
};

constexpr Golden kGoldens[] = {
    {kOverrides,
     "y 6f419385 12.9023438 8.36181641, "
     "dx 282cd532 17.9101562 0.439453125, "
     "dw 37085d22 -17 -21.5, "
     "db b9c7c618 4.234375 3.21875",
     "y 7fa01114 0.34375 -1.3125, "
     "dx ebc83325 -1.27636719 5.68554688, "
     "dw 4c3bde49 -29.5 -22, "
     "db 83e469e5 19.75 11.25"},
    {"fp32",
     "y e3146253 12.4996338 8.37536621, "
     "dx 3ba675e1 16.34375 0.353515625, "
     "dw 499cd755 -21.7333984 -22.71875, "
     "db b9c7c618 4.234375 3.21875",
     "y 8229f40e -0.750244141 -1.75036621, "
     "dx a9cebf66 -1.31835938 4.7578125, "
     "dw d8ff0e04 -30.032959 -20.0629883, "
     "db 83e469e5 19.75 11.25"},
    {"fp16",
     "y dd43fe19 12.5 8.375, "
     "dx fd3789a4 16.34375 0.353515625, "
     "dw 93f173a7 -21.734375 -22.71875, "
     "db b9c7c618 4.234375 3.21875",
     "y d0f60a02 -0.75 -1.75, "
     "dx da2ba058 -1.31835938 4.7578125, "
     "dw 8de5d161 -30.03125 -20.0625, "
     "db 83e469e5 19.75 11.25"},
    {"bf16",
     "y dfad86e8 12.5 8.375, "
     "dx 665729f9 16.375 0.353515625, "
     "dw d7402774 -21.75 -22.75, "
     "db b9c7c618 4.234375 3.21875",
     "y bb651803 -0.75 -1.75, "
     "dx 0ebdb6d2 -1.3203125 4.75, "
     "dw b44d13c3 -30 -20, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4",
     "y 930d987c 11.8232422 8.16772461, "
     "dx d9c60a39 16.4820557 0.189025879, "
     "dw of 5ab6b4ba -256 240 0.00109281996 and 750cdf7c 0 0 0.00446428591, "
     "db b9c7c618 4.234375 3.21875",
     "y 38e646b4 0.580078125 -1.30297852, "
     "dx f2914708 -1.98303223 5.15161133, "
     "dw of 80e4e2cd 1056 -160 0.00116402761 and 20496e25 576 -416 "
     "0.00446428591, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_all",
     "y 930d987c 11.8232422 8.16772461, "
     "dx d9c60a39 16.4820557 0.189025879, "
     "dw of 5ab6b4ba -256 240 0.00109281996 and 750cdf7c 0 0 0.00446428591, "
     "db b9c7c618 4.234375 3.21875",
     "y 38e646b4 0.580078125 -1.30297852, "
     "dx f2914708 -1.98303223 5.15161133, "
     "dw of 80e4e2cd 1056 -160 0.00116402761 and 20496e25 576 -416 "
     "0.00446428591, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_no_rht",
     "y 930d987c 11.8232422 8.16772461, "
     "dx d9c60a39 16.4820557 0.189025879, "
     "dw 1f29b8a0 -18.6845703 -22.0961914, "
     "db b9c7c618 4.234375 3.21875",
     "y 38e646b4 0.580078125 -1.30297852, "
     "dx f2914708 -1.98303223 5.15161133, "
     "dw efe91ce4 -31.840332 -13.1914062, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_no_sr",
     "y 930d987c 11.8232422 8.16772461, "
     "dx 2eebcabf 18.2105713 -0.249145508, "
     "dw of dc28365e -128 320 0.00109281996 and 750cdf7c 0 0 0.00446428591, "
     "db b9c7c618 4.234375 3.21875",
     "y 38e646b4 0.580078125 -1.30297852, "
     "dx 830d8095 -1.75402832 5.51391602, "
     "dw of 10461613 1056 -160 0.00116402761 and 20496e25 576 -416 "
     "0.00446428591, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_1d_weights",
     "y a0cfde6f 10.362915 7.8079834, "
     "dx fd5f994d 16.3639526 0.533905029, "
     "dw of 5ab6b4ba -256 240 0.00109281996 and 750cdf7c 0 0 0.00446428591, "
     "db b9c7c618 4.234375 3.21875",
     "y 3d30044b 0.580078125 -1.30297852, "
     "dx ccf250b1 -1.54370117 4.65100098, "
     "dw of 80e4e2cd 1056 -160 0.00116402761 and 20496e25 576 -416 "
     "0.00446428591, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_four_over_six",
     "y of 2d875f9c -216 0 0.013671875 and bba1ea8d 256 0 0.00170898438, "
     "dx of bf280940 416 -624 0.001953125 and bba1ea8d 256 0 0.00170898438, "
     "dw of 5ab6b4ba -256 240 0.00109281996 and 5c1d0e1e 0 0 0.0078125, "
     "db b9c7c618 4.234375 3.21875",
     "y of 2d875f9c -216 0 0.013671875 and 0796fc7a 256 144 0.00170898438, "
     "dx of 08b811d2 528 264 0.001953125 and 0796fc7a 256 144 0.00170898438, "
     "dw of 80e4e2cd 1056 -160 0.00116402761 and e929c4f3 336 -192 0.0078125, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_forward",
     "y a0cfde6f 10.362915 7.8079834, "
     "dx 388c2ef5 16.1484375 0.318115234, "
     "dw cf4e5627 -18.0429688 -22.5849609, "
     "db b9c7c618 4.234375 3.21875",
     "y 3d30044b 0.580078125 -1.30297852, "
     "dx 50c48daa -1.14306641 4.92211914, "
     "dw e6a0e9fc -28.8793945 -18.402832, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_forward_all",
     "y a0cfde6f 10.362915 7.8079834, "
     "dx 388c2ef5 16.1484375 0.318115234, "
     "dw cf4e5627 -18.0429688 -22.5849609, "
     "db b9c7c618 4.234375 3.21875",
     "y 3d30044b 0.580078125 -1.30297852, "
     "dx 50c48daa -1.14306641 4.92211914, "
     "dw e6a0e9fc -28.8793945 -18.402832, "
     "db 83e469e5 19.75 11.25"},
    {"nvfp4_seed",
     "y da9971b3 13.875 7.875, "
     "dx ecb3d1d6 18.25 0.4765625, "
     "dw 2938f00c -26.984375 -20.46875, "
     "db b9c7c618 4.234375 3.21875",
     "y 13c2368d -0.75 -1.25, "
     "dx 80b49cdb -0.724609375 5.1015625, "
     "dw 5143c880 -31.78125 -21.046875, "
     "db 83e469e5 19.75 11.25"},
    {"mxfp4",
     "y 8d4c37fa 12.25 6, "
     "dx 30d028f8 17.96875 0.59375, "
     "dw 7e26c39c -23.25 -18.5, "
     "db b9c7c618 4.234375 3.21875",
     "y e0f87c44 -1.5 -1.25, "
     "dx 71ffc579 -1.0625 6.03125, "
     "dw 0b6a5f36 -31.5 -21.25, "
     "db 83e469e5 19.75 11.25"},
    {"mxfp4_sr",
     "y 8d4c37fa 12.25 6, "
     "dx 62132967 17.96875 0.59375, "
     "dw 89f1f438 -17.25 -21.5, "
     "db b9c7c618 4.234375 3.21875",
     "y e0f87c44 -1.5 -1.25, "
     "dx e6b4b1f3 -0.5625 5.53125, "
     "dw b43d1da9 -29.5 -15.75, "
     "db 83e469e5 19.75 11.25"},
    {"mxfp4_forward_all",
     "y 8d4c37fa 12.25 6, "
     "dx a05d49a4 18.1875 0.974609375, "
     "dw c29ff391 -21.25 -18.21875, "
     "db b9c7c618 4.234375 3.21875",
     "y e0f87c44 -1.5 -1.25, "
     "dx 8eafc191 -0.662109375 5.7578125, "
     "dw 080a1fe7 -29.03125 -20.53125, "
     "db 83e469e5 19.75 11.25"},
    {"pow2_full",
     "y cb015c6a 12.375 6.25, "
     "dx 3d44ed7a 18.28125 0.59375, "
     "dw 2974cc9b -22.5 -18.5, "
     "db b9c7c618 4.234375 3.21875",
     "y ca472e40 -1.75 -1.25, "
     "dx a56e1c7a -1.09375 6.03125, "
     "dw 6a9fdfd3 -34.5 -23, "
     "db 83e469e5 19.75 11.25"},
};

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
