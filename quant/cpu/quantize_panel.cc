// QuantizePanel of quant/cpu/kernels.h: the rules that choose a block's scale
// by its error, a block a lane.

#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_panel.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/lane_scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// Summed over a block's elements in their order, as the reference does.
enum class Error { kTensorSquared, kSquared, kAbsolute, kLargest };

// The error of kLanes blocks under the factors f: against q * dequantize for
// kTensorSquared, else against ((q * s8) * A) / (M * E).
template <Rounding kRounding, Error kError>
HWY_INLINE VF ErrorOf(const KernelParams& params, const LaneFactors& f,
                      const float* x, size_t elements,
                      const RandomBits& random) {
  const Floats d;
  const VF amax = hn::Set(d, params.tensor.amax);
  const VF range = hn::Set(d, params.tensor.range);
  VF error = hn::Zero(d);
  for (size_t e = 0; e < elements; ++e) {
    const VF v = hn::LoadU(d, x + e * kUnit);
    const VF q =
        hn::CopySign(QuantizeLanes<kRounding, false>(
                         v, f.factor, LoadRandom<kRounding>(random, e * kUnit)),
                     v);
    const VF y = kError == Error::kTensorSquared
                     ? hn::Mul(q, f.dequantize)
                     : hn::Div(hn::Mul(hn::Mul(q, f.stored), amax), range);
    const VF difference = hn::Sub(y, v);
    if (kError == Error::kAbsolute) {
      error = hn::Add(error, hn::Abs(difference));
    } else if (kError == Error::kLargest) {
      error = hn::Max(error, hn::Abs(difference));
    } else {
      error = hn::Add(error, hn::Mul(difference, difference));
    }
  }
  return error;
}

HWY_INLINE LaneFactors Select(VF a, VF b, const LaneFactors& if_less,
                              const LaneFactors& otherwise) {
  const auto less = hn::Lt(a, b);
  return {hn::IfThenElse(hn::RebindMask(Ints(), less), if_less.code,
                         otherwise.code),
          hn::IfThenElse(less, if_less.stored, otherwise.stored),
          hn::IfThenElse(less, if_less.factor, otherwise.factor),
          hn::IfThenElse(less, if_less.dequantize, otherwise.dequantize)};
}

template <Rounding kRounding, Error kError>
HWY_INLINE LaneFactors FourOrSix(const KernelParams& params, VF amax,
                                 const float* x, size_t elements,
                                 const RandomBits& random) {
  const Floats d;
  const TensorFactors& t = params.tensor;
  const VF base =
      hn::Mul(hn::Div(amax, hn::Set(d, t.element_max)), hn::Set(d, t.encode));
  const VF s6 = RoundE4m3(base);
  const VF s4 = RoundE4m3(hn::Mul(hn::Set(d, 1.5f), base));
  const LaneFactors six = FactorsOfStoredLanes(params, E4m3Code(s6), s6);
  const LaneFactors four = FactorsOfStoredLanes(params, E4m3Code(s4), s4);
  return Select(ErrorOf<kRounding, kError>(params, four, x, elements, random),
                ErrorOf<kRounding, kError>(params, six, x, elements, random),
                four, six);
}

template <Rounding kRounding>
HWY_INLINE LaneFactors BestScale(const KernelParams& params, const float* x,
                                 size_t elements, const RandomBits& random) {
  const Floats d;
  const auto candidate = [&](uint8_t code) {
    return FactorsOfStoredLanes(params, hn::Set(Ints(), code),
                                hn::Set(d, DecodeE4m3(code)));
  };
  LaneFactors best = candidate(0x7E);
  VF best_error = ErrorOf<kRounding, Error::kTensorSquared>(params, best, x,
                                                            elements, random);
  for (uint8_t code = 0x7D; code >= 1; --code) {
    const LaneFactors f = candidate(code);
    const VF error = ErrorOf<kRounding, Error::kTensorSquared>(
        params, f, x, elements, random);
    best = Select(error, best_error, f, best);
    best_error = hn::IfThenElse(hn::Lt(error, best_error), error, best_error);
  }
  return best;
}

template <Rounding kRounding>
HWY_INLINE LaneFactors Choose(const KernelParams& params, VF amax,
                              const float* x, size_t elements,
                              const RandomBits& random) {
  switch (params.rule) {
    case ScaleRule::kFourOverSixMse:
      return FourOrSix<kRounding, Error::kSquared>(params, amax, x, elements,
                                                   random);
    case ScaleRule::kFourOverSixMae:
      return FourOrSix<kRounding, Error::kAbsolute>(params, amax, x, elements,
                                                    random);
    case ScaleRule::kFourOverSixAbsMax:
      return FourOrSix<kRounding, Error::kLargest>(params, amax, x, elements,
                                                   random);
    default:
      return BestScale<kRounding>(params, x, elements, random);
  }
}

template <Rounding kRounding>
bool Run(const KernelParams& params, const float* x, size_t elements,
         const RandomBits& random, const PanelOutput& output) {
  const Floats d;
  const Ints di;
  const hn::Rebind<uint8_t, Words> d8;
  for (size_t j = 0; j < kUnit; j += kLanes) {
    VI max = hn::Zero(di);
    for (size_t e = 0; e < elements; ++e) {
      max = hn::Max(max,
                    hn::BitCast(di, hn::Abs(hn::LoadU(d, x + e * kUnit + j))));
    }
    const auto bad = hn::Gt(max, hn::Set(di, 0x7F7FFFFF));
    if (!hn::AllFalse(di, bad)) return false;
    RandomBits at = random;
    if (at.bytes != nullptr) at.bytes += j;
    if (at.words != nullptr) at.words += j;
    const LaneFactors f =
        Choose<kRounding>(params, hn::BitCast(d, max), x + j, elements, at);
    hn::StoreU(f.stored, d, output.stored + j);
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(Words(), f.code)), d8,
               output.scale_codes + j);
    const VF value_factor = ValueFactor(params, f);
    for (size_t e = 0; e < elements; ++e) {
      const VF v = hn::LoadU(d, x + e * kUnit + j);
      const VF r = QuantizeLanes<kRounding, false>(
          v, f.factor, LoadRandom<kRounding>(at, e * kUnit));
      hn::StoreU(ValueOf(r, v, value_factor), d, output.values + e * kUnit + j);
      hn::StoreU(hn::TruncateTo(d8, CodeOf(r, v)), d8,
                 output.codes + e * kUnit + j);
    }
  }
  return true;
}

bool QuantizePanelImpl(const KernelParams& params, const float* x,
                       size_t elements, const RandomBits& random,
                       const PanelOutput& output) {
  const KernelScope scope;
  bool finite = false;
  DispatchElement(params, [&](auto rounding, auto divide) {
    // None of these rules divides.
    if constexpr (!decltype(divide)::value) {
      finite =
          Run<decltype(rounding)::value>(params, x, elements, random, output);
    }
  });
  return finite;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizePanelImpl);

bool QuantizePanel(const KernelParams& params, const float* x, size_t elements,
                   const RandomBits& random, const PanelOutput& output) {
  return HWY_DYNAMIC_DISPATCH(QuantizePanelImpl)(params, x, elements, random,
                                                 output);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
