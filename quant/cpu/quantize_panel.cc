// AddErrors, ChooseScales and QuantizePanel of quant/cpu/kernels.h: the rules
// that choose a block's scale by its error, a block a lane.

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

// Summed over a block's elements in their order, as quant/choose_scale.h does.
enum class Error { kTensorSquared, kSquared, kAbsolute, kLargest };

// ErrorUnit of quant/scale_rules.h.
HWY_INLINE VF ErrorUnits(VI amax_bits) {
  const Ints di;
  const VI exponent = hn::Min(
      hn::Max(hn::ShiftRight<23>(amax_bits), hn::Set(di, 1)), hn::Set(di, 253));
  return hn::BitCast(Floats(),
                     hn::ShiftLeft<23>(hn::Sub(hn::Set(di, 254), exponent)));
}

// What all candidates share: in units of the blocks' amaxes.
struct PanelUnits {
  VF unit;
  VF amax;   // Of the tensor.
  VF range;  // M * E.
};

HWY_INLINE PanelUnits UnitsOf(const KernelParams& params, VI amax_bits) {
  const Floats d;
  const VF unit = ErrorUnits(amax_bits);
  return {unit,
          hn::Min(hn::Mul(hn::Set(d, params.tensor.amax), unit),
                  hn::Set(d, kFloatMax)),
          hn::Set(d, params.tensor.range)};
}

// `error` and the errors of kLanes blocks under the factors f: against
// q * (s8 * (A / (M * E))) for kTensorSquared, else ((q * s8) * A) / (M * E).
template <Rounding kRounding, Error kError>
HWY_INLINE VF ErrorOf(VF error, const PanelUnits& u, const LaneFactors& f,
                      const float* x, size_t elements,
                      const RandomBits& random) {
  const Floats d;
  const VF dequantize = hn::Mul(f.stored, hn::Div(u.amax, u.range));
  for (size_t e = 0; e < elements; ++e) {
    const VF v = hn::LoadU(d, x + e * kUnit);
    const VF q =
        hn::CopySign(QuantizeLanes<kRounding, false>(
                         v, f.factor, LoadRandom<kRounding>(random, e * kUnit)),
                     v);
    const VF y = kError == Error::kTensorSquared
                     ? hn::Mul(q, dequantize)
                     : hn::Div(hn::Mul(hn::Mul(q, f.stored), u.amax), u.range);
    const VF difference = hn::Sub(y, hn::Mul(v, u.unit));
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

// The candidates, in the order of `errors`: six and four, or the E4M3 codes
// from the largest down.
template <Error kError, class Body>
HWY_INLINE void ForEachCandidate(const KernelParams& params, VF amax,
                                 const Body& body) {
  const Floats d;
  if constexpr (kError == Error::kTensorSquared) {
    size_t i = 0;
    for (uint8_t code = kBestOf126First; code >= 1; --code) {
      body(i++, FactorsOfStoredLanes(params, hn::Set(Ints(), code),
                                     hn::Set(d, DecodeE4m3(code))));
    }
  } else {
    const TensorFactors& t = params.tensor;
    const VF base =
        hn::Mul(hn::Div(amax, hn::Set(d, t.element_max)), hn::Set(d, t.encode));
    const VF s6 = RoundE4m3(base);
    const VF s4 = RoundE4m3(hn::Mul(hn::Set(d, 1.5f), base));
    body(0, FactorsOfStoredLanes(params, E4m3Code(s6), s6));
    body(1, FactorsOfStoredLanes(params, E4m3Code(s4), s4));
  }
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

// Calls body(kError) as a type.
template <class Body>
HWY_INLINE void DispatchError(ScaleRule rule, const Body& body) {
  switch (rule) {
    case ScaleRule::kFourOverSixMse:
      return body(std::integral_constant<Error, Error::kSquared>());
    case ScaleRule::kFourOverSixMae:
      return body(std::integral_constant<Error, Error::kAbsolute>());
    case ScaleRule::kFourOverSixAbsMax:
      return body(std::integral_constant<Error, Error::kLargest>());
    default:
      return body(std::integral_constant<Error, Error::kTensorSquared>());
  }
}

HWY_INLINE RandomBits Advanced(const RandomBits& random, size_t n) {
  return {random.bytes == nullptr ? nullptr : random.bytes + n,
          random.words == nullptr ? nullptr : random.words + n};
}

template <Rounding kRounding, Error kError>
void RunErrors(const KernelParams& params, const uint32_t* amax_bits,
               const float* x, size_t elements, const RandomBits& random,
               float* errors) {
  const Floats d;
  for (size_t j = 0; j < kUnit; j += kLanes) {
    const VI bits = hn::BitCast(Ints(), hn::LoadU(Words(), amax_bits + j));
    const PanelUnits units = UnitsOf(params, bits);
    ForEachCandidate<kError>(
        params, hn::BitCast(d, bits),
        [&](size_t candidate, const LaneFactors& f) HWY_ATTR {
          float* error = errors + candidate * kUnit + j;
          hn::StoreU(
              ErrorOf<kRounding, kError>(hn::LoadU(d, error), units, f, x + j,
                                         elements, Advanced(random, j)),
              d, error);
        });
  }
}

// None of these rules divides.
void AddErrorsImpl(const KernelParams& params, const uint32_t* amax_bits,
                   const float* x, size_t elements, const RandomBits& random,
                   float* errors) {
  const KernelScope scope;
  DispatchElement(params, [&](auto rounding, auto divide) {
    if constexpr (!decltype(divide)::value) {
      DispatchError(params.rule, [&](auto error) {
        RunErrors<decltype(rounding)::value, decltype(error)::value>(
            params, amax_bits, x, elements, random, errors);
      });
    }
  });
}

template <Error kError>
HWY_INLINE LaneFactors Choose(const KernelParams& params, VF amax,
                              const float* errors) {
  const Floats d;
  LaneFactors best{};
  VF best_error = hn::Zero(d);
  ForEachCandidate<kError>(
      params, amax, [&](size_t candidate, const LaneFactors& f) HWY_ATTR {
        const VF error = hn::LoadU(d, errors + candidate * kUnit);
        if (candidate == 0) {
          best = f;
          best_error = error;
          return;
        }
        best = Select(error, best_error, f, best);
        best_error =
            hn::IfThenElse(hn::Lt(error, best_error), error, best_error);
      });
  return best;
}

void ChooseScalesImpl(const KernelParams& params, const uint32_t* amax_bits,
                      const float* errors, PanelFactors& to) {
  const KernelScope scope;
  const Floats d;
  const hn::Rebind<uint8_t, Words> d8;
  for (size_t j = 0; j < kUnit; j += kLanes) {
    const VF amax = hn::BitCast(d, hn::LoadU(Words(), amax_bits + j));
    DispatchError(params.rule, [&](auto error) HWY_ATTR {
      const LaneFactors f =
          Choose<decltype(error)::value>(params, amax, errors + j);
      hn::StoreU(f.factor, d, to.factor + j);
      hn::StoreU(ValueFactor(params, f), d, to.value_factor + j);
      hn::StoreU(f.stored, d, to.stored + j);
      hn::StoreU(hn::TruncateTo(d8, hn::BitCast(Words(), f.code)), d8,
                 to.code + j);
    });
  }
}

template <Rounding kRounding>
void RunElements(const PanelFactors& f, const float* x, size_t elements,
                 const RandomBits& random, float* values, uint8_t* codes) {
  const Floats d;
  const hn::Rebind<uint8_t, Words> d8;
  for (size_t i = 0; i < elements * kUnit; i += kLanes) {
    const size_t j = i % kUnit;
    const VF v = hn::LoadU(d, x + i);
    const VF r = QuantizeLanes<kRounding, false>(
        v, hn::LoadU(d, f.factor + j), LoadRandom<kRounding>(random, i));
    if (values != nullptr) {
      hn::StoreU(ValueOf(r, v, hn::LoadU(d, f.value_factor + j)), d,
                 values + i);
    }
    if (codes != nullptr) {
      hn::StoreU(hn::TruncateTo(d8, CodeOf(r, v)), d8, codes + i);
    }
  }
}

void QuantizePanelImpl(const KernelParams& params, const PanelFactors& factors,
                       const float* x, size_t elements,
                       const RandomBits& random, float* values,
                       uint8_t* codes) {
  const KernelScope scope;
  DispatchElement(params, [&](auto rounding, auto divide) {
    if constexpr (!decltype(divide)::value) {
      RunElements<decltype(rounding)::value>(factors, x, elements, random,
                                             values, codes);
    }
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(AddErrorsImpl);
HWY_EXPORT(ChooseScalesImpl);
HWY_EXPORT(QuantizePanelImpl);

void AddErrors(const KernelParams& params, const uint32_t* amax_bits,
               const float* x, size_t elements, const RandomBits& random,
               float* errors) {
  HWY_DYNAMIC_DISPATCH(AddErrorsImpl)
  (params, amax_bits, x, elements, random, errors);
}

PanelFactors ChooseScales(const KernelParams& params, const uint32_t* amax_bits,
                          const float* errors) {
  PanelFactors factors;
  HWY_DYNAMIC_DISPATCH(ChooseScalesImpl)(params, amax_bits, errors, factors);
  return factors;
}

void QuantizePanel(const KernelParams& params, const PanelFactors& factors,
                   const float* x, size_t elements, const RandomBits& random,
                   float* values, uint8_t* codes) {
  HWY_DYNAMIC_DISPATCH(QuantizePanelImpl)
  (params, factors, x, elements, random, values, codes);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
