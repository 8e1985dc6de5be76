// Sums over pairs of an original and a de-quantised value, in lanes. Included
// once for every instruction set.

#include "quant/distortion_sums.h"

#if defined(QUANT_CPU_PAIR_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_PAIR_SUMS_INL_H_
#undef QUANT_CPU_PAIR_SUMS_INL_H_
#else
#define QUANT_CPU_PAIR_SUMS_INL_H_
#endif

#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

using HalfFloats = hn::Half<Floats>;
using Doubles = hn::Rebind<double, HalfFloats>;
using VD = hn::Vec<Doubles>;

// The sums of a unit's elements are kept apart, element by element, on every
// instruction set: the same additions in the same order.
constexpr size_t kDoubles = kLanes / 2;
constexpr size_t kParts = kUnit / kDoubles;

struct Accumulators {
  VD xx[kParts], yy[kParts], xy[kParts], ee[kParts], worst[kParts];
  VI finite, exact, nonzero, underflow, saturated;
};

HWY_INLINE void Clear(Accumulators& a) {
  for (size_t k = 0; k < kParts; ++k) {
    a.xx[k] = a.yy[k] = a.xy[k] = a.ee[k] = a.worst[k] = hn::Zero(Doubles());
  }
  a.finite = a.exact = a.nonzero = a.underflow = a.saturated = hn::Zero(Ints());
}

template <class Mask>
HWY_INLINE VI Counted(VI counts, Mask mask) {
  const Ints di;
  return hn::Sub(counts, hn::VecFromMask(di, hn::RebindMask(di, mask)));
}

HWY_INLINE void AddSquares(VD x, VD y, size_t part, Accumulators& a) {
  // Products of two FP32 numbers are exact: fused or not, the same bits.
  a.xx[part] = hn::MulAdd(x, x, a.xx[part]);
  a.yy[part] = hn::MulAdd(y, y, a.yy[part]);
  a.xy[part] = hn::MulAdd(x, y, a.xy[part]);
  const VD e = hn::Sub(y, x);
  a.ee[part] = hn::Add(a.ee[part], hn::Mul(e, e));
  a.worst[part] = hn::Max(a.worst[part], hn::Abs(e));
}

// Lanes j .. j + kLanes - 1 of a unit; `y` is the value times tensor scale.
HWY_INLINE void AddPairs(VF x, VF y, VU codes, size_t j, Accumulators& a) {
  const Floats d;
  const Doubles dd;
  const HalfFloats half;
  const Words dw;
  const auto finite = hn::And(hn::IsFinite(x), hn::IsFinite(y));
  x = hn::IfThenElseZero(finite, x);
  y = hn::IfThenElseZero(finite, y);
  const auto nonzero = hn::Ne(x, hn::Zero(d));
  const auto six = hn::RebindMask(
      d, hn::Eq(hn::And(codes, hn::Set(dw, 7u)), hn::Set(dw, 7u)));
  a.finite = Counted(a.finite, finite);
  a.exact = Counted(a.exact, hn::And(finite, hn::Eq(x, y)));
  a.nonzero = Counted(a.nonzero, nonzero);
  a.underflow = Counted(a.underflow, hn::And(nonzero, hn::Eq(y, hn::Zero(d))));
  a.saturated =
      Counted(a.saturated, hn::And(six, hn::Gt(hn::Abs(x), hn::Abs(y))));
  const size_t part = j / kDoubles;
  AddSquares(hn::PromoteTo(dd, hn::LowerHalf(half, x)),
             hn::PromoteTo(dd, hn::LowerHalf(half, y)), part, a);
  AddSquares(hn::PromoteTo(dd, hn::UpperHalf(half, x)),
             hn::PromoteTo(dd, hn::UpperHalf(half, y)), part + 1, a);
}

HWY_INLINE double SumOf(const VD (&parts)[kParts]) {
  const Doubles dd;
  HWY_ALIGN double lanes[kUnit];
  for (size_t k = 0; k < kParts; ++k) {
    hn::Store(parts[k], dd, lanes + k * kDoubles);
  }
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

HWY_INLINE int64_t SumOf(VI counts) {
  return hn::GetLane(hn::SumOfLanes(Ints(), counts));
}

HWY_INLINE void Merge(const Accumulators& a, DistortionSums& sums) {
  const Doubles dd;
  sums.finite += SumOf(a.finite);
  sums.exact += SumOf(a.exact);
  sums.nonzero += SumOf(a.nonzero);
  sums.underflow += SumOf(a.underflow);
  sums.saturated += SumOf(a.saturated);
  sums.xx += SumOf(a.xx);
  sums.yy += SumOf(a.yy);
  sums.xy += SumOf(a.xy);
  sums.ee += SumOf(a.ee);
  VD worst = a.worst[0];
  for (size_t k = 1; k < kParts; ++k) worst = hn::Max(worst, a.worst[k]);
  sums.max_abs_error =
      HWY_MAX(sums.max_abs_error, hn::GetLane(hn::MaxOfLanes(dd, worst)));
}

// Of a row of codes.
HWY_INLINE void CountCodes(const uint8_t* codes, size_t width,
                           CodeCounts& counts) {
  const hn::ScalableTag<uint8_t> d8;
  const size_t lanes = hn::Lanes(d8);
  size_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const auto v = hn::LoadU(d8, codes + i);
    for (int c = 0; c < 16; ++c) {
      counts.counts[c] += static_cast<int64_t>(
          hn::CountTrue(d8, hn::Eq(v, hn::Set(d8, static_cast<uint8_t>(c)))));
    }
  }
  for (; i < width; ++i) ++counts.counts[codes[i]];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // QUANT_CPU_PAIR_SUMS_INL_H_
