// AddPairs and SumCentered of quant/cpu/kernels.h.

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/pair_sums.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/pair_sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// use(x, y, codes) for each unit of 16 pairs. The last one is filled up with
// NaN, which counts for nothing. Without codes they are null.
template <class Use>
HWY_INLINE void ForEachUnit(const float* x, const float* y,
                            const uint8_t* codes, size_t n, const Use& use) {
  const size_t whole = n - n % kUnit;
  for (size_t i = 0; i < whole; i += kUnit) {
    use(x + i, y + i, codes == nullptr ? nullptr : codes + i);
  }
  if (whole == n) return;
  float last_x[kUnit], last_y[kUnit] = {};
  uint8_t last_codes[kUnit] = {};
  std::fill_n(last_x, kUnit, std::numeric_limits<float>::quiet_NaN());
  std::copy(x + whole, x + n, last_x);
  std::copy(y + whole, y + n, last_y);
  if (codes != nullptr) std::copy(codes + whole, codes + n, last_codes);
  use(last_x, last_y, codes == nullptr ? nullptr : last_codes);
}

void AddPairsImpl(const float* x, const float* y, const uint8_t* codes,
                  size_t n, DistortionSums& sums) {
  const KernelScope scope;
  const Floats d;
  const hn::Rebind<uint8_t, Words> d8;
  Accumulators a;
  Clear(a);
  ForEachUnit(
      x, y, codes, n,
      [&](const float* ux, const float* uy, const uint8_t* unit_codes)
          HWY_ATTR {
            for (size_t j = 0; j < kUnit; j += kLanes) {
              // Without codes nothing saturates.
              const VU code =
                  unit_codes == nullptr
                      ? hn::Zero(Words())
                      : hn::PromoteTo(Words(), hn::LoadU(d8, unit_codes + j));
              AddPairs(hn::LoadU(d, ux + j), hn::LoadU(d, uy + j), code, j, a);
            }
          });
  const auto pairs = static_cast<int64_t>(n);
  const int64_t finite = SumOf(a.finite);
  Merge(a, sums);
  sums.nonfinite += pairs - finite;
  if (codes == nullptr) return;
  if (finite == pairs) return CountCodes(codes, n, sums.codes);
  for (size_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      ++sums.codes.counts[codes[i]];
    }
  }
}

// use(x, y, one, part) for the pairs in doubles, half a vector at a time: x and
// y where both are finite, else 0; and 1 there, else 0.
template <class Use>
HWY_INLINE void ForEachFinite(const float* x, const float* y, size_t n,
                              const Use& use) {
  const Floats d;
  const Doubles dd;
  const HalfFloats half;
  const auto low = [half, dd](VF v) HWY_ATTR {
    return hn::PromoteTo(dd, hn::LowerHalf(half, v));
  };
  const auto high = [half, dd](VF v) HWY_ATTR {
    return hn::PromoteTo(dd, hn::UpperHalf(half, v));
  };
  ForEachUnit(x, y, nullptr, n,
              [&](const float* ux, const float* uy, const uint8_t*) HWY_ATTR {
                for (size_t j = 0; j < kUnit; j += kLanes) {
                  VF vx = hn::LoadU(d, ux + j);
                  VF vy = hn::LoadU(d, uy + j);
                  const auto finite =
                      hn::And(hn::IsFinite(vx), hn::IsFinite(vy));
                  vx = hn::IfThenElseZero(finite, vx);
                  vy = hn::IfThenElseZero(finite, vy);
                  const VF one = hn::IfThenElseZero(finite, hn::Set(d, 1.0f));
                  const size_t part = j / kDoubles;
                  use(low(vx), low(vy), low(one), part);
                  use(high(vx), high(vy), high(one), part + 1);
                }
              });
}

CenteredSums SumCenteredImpl(const float* x, const float* y, size_t n) {
  const KernelScope scope;
  const Doubles dd;
  VD sum[kParts], count[kParts], noise[kParts], spread[kParts];
  for (size_t k = 0; k < kParts; ++k) {
    sum[k] = count[k] = noise[k] = spread[k] = hn::Zero(dd);
  }
  ForEachFinite(x, y, n, [&](VD px, VD py, VD one, size_t k) HWY_ATTR {
    sum[k] = hn::Add(sum[k], px);
    count[k] = hn::Add(count[k], one);
    const VD e = hn::Sub(py, px);
    noise[k] = hn::Add(noise[k], hn::Mul(e, e));
  });
  const double finite = SumOf(count);
  if (finite == 0.0) return {};
  const VD mean = hn::Set(dd, SumOf(sum) / finite);
  ForEachFinite(x, y, n, [&](VD px, VD /*py*/, VD one, size_t k) HWY_ATTR {
    const VD centered = hn::Mul(hn::Sub(px, mean), one);
    spread[k] = hn::Add(spread[k], hn::Mul(centered, centered));
  });
  return {SumOf(spread), SumOf(noise)};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(AddPairsImpl);
HWY_EXPORT(SumCenteredImpl);

void AddPairs(const float* x, const float* y, const uint8_t* codes, size_t n,
              DistortionSums& sums) {
  HWY_DYNAMIC_DISPATCH(AddPairsImpl)(x, y, codes, n, sums);
}

CenteredSums SumCentered(const float* x, const float* y, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumCenteredImpl)(x, y, n);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
