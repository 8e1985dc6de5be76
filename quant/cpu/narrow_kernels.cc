#include "quant/cpu/narrow_kernels.h"

#include <cstring>

#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/narrow_kernels.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/narrow_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

struct RoundHalf {
  HWY_INLINE VF operator()(VF v) const {
    return hn::CopySign(RoundHalfMagnitude(hn::Abs(v)), v);
  }
};

struct RoundBfloat16 {
  HWY_INLINE VF operator()(VF v) const {
    return hn::BitCast(Floats(), RoundBfloat16Bits(v));
  }
};

template <class Op>
HWY_INLINE void Map(const float* x, size_t n, float* y, const Op& op) {
  const Floats d;
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const VF a = op(hn::LoadU(d, x + i));
    const VF b = op(hn::LoadU(d, x + i + kLanes));
    const VF e = op(hn::LoadU(d, x + i + 2 * kLanes));
    const VF f = op(hn::LoadU(d, x + i + 3 * kLanes));
    hn::StoreU(a, d, y + i);
    hn::StoreU(b, d, y + i + kLanes);
    hn::StoreU(e, d, y + i + 2 * kLanes);
    hn::StoreU(f, d, y + i + 3 * kLanes);
  }
  HWY_ALIGN float rest[kLanes];
  for (; i < n; i += kLanes) {
    const size_t count = HWY_MIN(kLanes, n - i);
    for (size_t j = 0; j < kLanes; ++j) rest[j] = j < count ? x[i + j] : 0.0f;
    hn::Store(op(hn::Load(d, rest)), d, rest);
    for (size_t j = 0; j < count; ++j) y[i + j] = rest[j];
  }
}

// Elements past the last whole vector go by way of a padded one.
template <class Lanes>
void WidenBits(const uint16_t* HWY_RESTRICT x, size_t n,
               float* HWY_RESTRICT y) {
  const Floats d;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(Lanes::Load(x + i), d, y + i);
  }
  if (i == n) return;
  uint16_t rest[kLanes] = {};
  float wide[kLanes];
  memcpy(rest, x + i, (n - i) * sizeof(rest[0]));
  hn::StoreU(Lanes::Load(rest), d, wide);
  memcpy(y + i, wide, (n - i) * sizeof(wide[0]));
}

template <class Lanes>
void NarrowBits(const float* HWY_RESTRICT x, size_t n,
                uint16_t* HWY_RESTRICT y) {
  const Floats d;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes::Store(hn::LoadU(d, x + i), y + i);
  }
  if (i == n) return;
  float rest[kLanes] = {};
  uint16_t narrow[kLanes];
  memcpy(rest, x + i, (n - i) * sizeof(rest[0]));
  Lanes::Store(hn::LoadU(d, rest), narrow);
  memcpy(y + i, narrow, (n - i) * sizeof(narrow[0]));
}

void RoundToHalfGridImpl(const float* x, size_t n, float* y) {
  const KernelScope scope;
  Map(x, n, y, RoundHalf());
}

void RoundToBfloat16GridImpl(const float* x, size_t n, float* y) {
  const KernelScope scope;
  Map(x, n, y, RoundBfloat16());
}

void HalfToFloatImpl(const uint16_t* x, size_t n, float* y) {
  const KernelScope scope;
  WidenBits<HalfLanes>(x, n, y);
}

void Bfloat16ToFloatImpl(const uint16_t* x, size_t n, float* y) {
  const KernelScope scope;
  WidenBits<Bfloat16Lanes>(x, n, y);
}

void FloatToHalfImpl(const float* x, size_t n, uint16_t* y) {
  const KernelScope scope;
  NarrowBits<HalfLanes>(x, n, y);
}

void FloatToBfloat16Impl(const float* x, size_t n, uint16_t* y) {
  const KernelScope scope;
  NarrowBits<Bfloat16Lanes>(x, n, y);
}

// Signs aside, both types are ordered as their bits are.
uint16_t MaxMagnitudeBitsImpl(const uint16_t* HWY_RESTRICT x, size_t n) {
  const KernelScope scope;
  const hn::ScalableTag<int16_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto mask = hn::Set(d, 0x7FFF);
  const auto load = [&](size_t i) {
    return hn::And(hn::LoadU(d, reinterpret_cast<const int16_t*>(x) + i), mask);
  };
  auto max0 = hn::Zero(d);
  auto max1 = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    max0 = hn::Max(max0, load(i));
    max1 = hn::Max(max1, load(i + lanes));
  }
  HWY_ALIGN int16_t maxima[hn::MaxLanes(d)];
  hn::Store(hn::Max(max0, max1), d, maxima);
  uint16_t max = 0;
  for (size_t j = 0; j < lanes; ++j) {
    max = HWY_MAX(max, static_cast<uint16_t>(maxima[j]));
  }
  for (; i < n; ++i) {
    max = HWY_MAX(max, static_cast<uint16_t>(x[i] & 0x7FFF));
  }
  return max;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(RoundToHalfGridImpl);
HWY_EXPORT(RoundToBfloat16GridImpl);
HWY_EXPORT(HalfToFloatImpl);
HWY_EXPORT(Bfloat16ToFloatImpl);
HWY_EXPORT(FloatToHalfImpl);
HWY_EXPORT(FloatToBfloat16Impl);
HWY_EXPORT(MaxMagnitudeBitsImpl);

void RoundToHalfGrid(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(RoundToHalfGridImpl)(x, n, y);
}

void RoundToBfloat16Grid(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(RoundToBfloat16GridImpl)(x, n, y);
}

void HalfToFloat(const uint16_t* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(HalfToFloatImpl)(x, n, y);
}

void Bfloat16ToFloat(const uint16_t* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Bfloat16ToFloatImpl)(x, n, y);
}

void FloatToHalf(const float* x, size_t n, uint16_t* y) {
  HWY_DYNAMIC_DISPATCH(FloatToHalfImpl)(x, n, y);
}

void FloatToBfloat16(const float* x, size_t n, uint16_t* y) {
  HWY_DYNAMIC_DISPATCH(FloatToBfloat16Impl)(x, n, y);
}

uint16_t MaxMagnitudeBits(const uint16_t* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(MaxMagnitudeBitsImpl)(x, n);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
