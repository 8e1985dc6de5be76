// The errors of candidate scales on a panel, a block a lane: the rules of
// quant/choose_scale.h. Included once for each instruction set by way of
// hwy/foreach_target.h.

#if defined(QUANT_CPU_PANEL_ERRORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_PANEL_ERRORS_INL_H_
#undef QUANT_CPU_PANEL_ERRORS_INL_H_
#else
#define QUANT_CPU_PANEL_ERRORS_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "quant/cpu/kernels.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/lane_scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

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

// What all candidates share, in units of the blocks' amaxes.
struct PanelUnits {
  VF unit;
  VF amax;   // Of the tensor.
  VF range;  // M * E.
  VF inverse_range;
  bool by_reciprocal;  // What DividesByReciprocal needs is true.
};

HWY_INLINE PanelUnits UnitsOf(const KernelParams& params, VI amax_bits) {
  const Floats d;
  PanelUnits u;
  u.unit = ErrorUnits(amax_bits);
  u.amax = hn::Min(hn::Mul(hn::Set(d, params.tensor.amax), u.unit),
                   hn::Set(d, kFloatMax));
  u.range = hn::Set(d, params.tensor.range);
  u.inverse_range = hn::Set(d, 1.0f / params.tensor.range);
  // q * s8 is 0 or in [2^-10, 2688].
#if HWY_NATIVE_FMA
  const auto small = hn::Lt(u.amax, hn::Set(d, 0x1p-40f));
  const auto large = hn::Gt(u.amax, hn::Set(d, 0x1p40f));
  u.by_reciprocal = DividesByReciprocal(params.tensor.range) &&
                    hn::AllFalse(d, hn::Or(small, large));
#else
  u.by_reciprocal = false;  // Without FMA it would not be exact.
#endif
  return u;
}

template <bool kByReciprocal>
HWY_INLINE VF DivideByRange(const PanelUnits& u, VF n) {
  if constexpr (!kByReciprocal) return hn::Div(n, u.range);
  const VF q = hn::Mul(n, u.inverse_range);
  return hn::MulAdd(hn::NegMulAdd(q, u.range, n), u.inverse_range, q);
}

// `error` and the error of an element of kLanes blocks under the factors f:
// against q * dequantize for kTensorSquared, else ((q * s8) * A) / (M * E).
// `magnitude` is |v| in units: both sides have the sign of v, which no error
// looks at.
template <Rounding kRounding, Error kError, bool kByReciprocal>
HWY_INLINE VF AddError(VF error, const PanelUnits& u, const LaneFactors& f,
                       VF dequantize, VF v, VF magnitude, VU random) {
  const VF q = QuantizeLanes<kRounding, false>(v, f.factor, random);
  const VF y = kError == Error::kTensorSquared
                   ? hn::Mul(q, dequantize)
                   : DivideByRange<kByReciprocal>(
                         u, hn::Mul(hn::Mul(q, f.stored), u.amax));
  const VF difference = hn::Sub(y, magnitude);
  if (kError == Error::kAbsolute) return hn::Add(error, hn::Abs(difference));
  if (kError == Error::kLargest) return hn::Max(error, hn::Abs(difference));
  return hn::Add(error, hn::Mul(difference, difference));
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

// The many candidates of the best of 126, one after the other.
template <Rounding kRounding>
HWY_INLINE void AddErrorsOf126(const KernelParams& params,
                               const PanelUnits& units, VF amax, const float* x,
                               size_t elements, const RandomBits& random,
                               float* errors) {
  constexpr Error kError = Error::kTensorSquared;
  const Floats d;
  HWY_ALIGN float magnitudes[kMaxPanelElements * kLanes];
  for (size_t e = 0; e < elements; ++e) {
    hn::Store(hn::Mul(hn::Abs(hn::LoadU(d, x + e * kUnit)), units.unit), d,
              magnitudes + e * kLanes);
  }
  // A / (M * E).
  const VF decode = hn::Div(units.amax, units.range);
  ForEachCandidate<kError>(
      params, amax, [&](size_t candidate, const LaneFactors& f) HWY_ATTR {
        float* to = errors + candidate * kUnit;
        const VF dequantize = hn::Mul(f.stored, decode);
        VF error = hn::LoadU(d, to);
        for (size_t e = 0; e < elements; ++e) {
          error = AddError<kRounding, kError, false>(
              error, units, f, dequantize, hn::LoadU(d, x + e * kUnit),
              hn::Load(d, magnitudes + e * kLanes),
              LoadRandom<kRounding>(random, e * kUnit));
        }
        hn::StoreU(error, d, to);
      });
}

// The two candidates of four-over-six side by side: each sum waits for its last
// term alone.
template <Rounding kRounding, Error kError, bool kByReciprocal>
HWY_INLINE void AddErrorsOfTwo(const KernelParams& params,
                               const PanelUnits& units, VF amax, const float* x,
                               size_t elements, const RandomBits& random,
                               float* errors) {
  const Floats d;
  LaneFactors six, four;
  ForEachCandidate<kError>(params, amax,
                           [&](size_t candidate, const LaneFactors& f)
                               HWY_ATTR { (candidate == 0 ? six : four) = f; });
  VF of_six = hn::LoadU(d, errors);
  VF of_four = hn::LoadU(d, errors + kUnit);
  for (size_t e = 0; e < elements; ++e) {
    const VF v = hn::LoadU(d, x + e * kUnit);
    const VF magnitude = hn::Mul(hn::Abs(v), units.unit);
    const VU bits = LoadRandom<kRounding>(random, e * kUnit);
    const VF unused = hn::Zero(d);
    of_six = AddError<kRounding, kError, kByReciprocal>(
        of_six, units, six, unused, v, magnitude, bits);
    of_four = AddError<kRounding, kError, kByReciprocal>(
        of_four, units, four, unused, v, magnitude, bits);
  }
  hn::StoreU(of_six, d, errors);
  hn::StoreU(of_four, d, errors + kUnit);
}

template <Rounding kRounding, Error kError>
void RunErrors(const KernelParams& params, const uint32_t* amax_bits,
               const float* x, size_t elements, const RandomBits& random,
               float* errors) {
  for (size_t j = 0; j < kUnit; j += kLanes) {
    const VI bits = hn::BitCast(Ints(), hn::LoadU(Words(), amax_bits + j));
    const PanelUnits units = UnitsOf(params, bits);
    const VF amax = hn::BitCast(Floats(), bits);
    const RandomBits at = Advanced(random, j);
    if constexpr (kError == Error::kTensorSquared) {
      AddErrorsOf126<kRounding>(params, units, amax, x + j, elements, at,
                                errors + j);
    } else if (units.by_reciprocal) {
      AddErrorsOfTwo<kRounding, kError, true>(params, units, amax, x + j,
                                              elements, at, errors + j);
    } else {
      AddErrorsOfTwo<kRounding, kError, false>(params, units, amax, x + j,
                                               elements, at, errors + j);
    }
  }
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

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
