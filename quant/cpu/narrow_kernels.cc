#include "quant/cpu/narrow_kernels.h"

#include "quant/cpu/targets.h"
#include "quant/formats/float16.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/narrow_kernels.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

using Halves = hn::Rebind<uint16_t, Words>;

HWY_INLINE VU SetWords(uint32_t bits) { return hn::Set(Words(), bits); }

// The FP32 bits of |v| rounded onto the FP16 grid; infinity from 65520 on.
// v + c rounds |v| since c's last place is the grid's step there.
HWY_INLINE VF RoundHalfMagnitude(VF m) {
  const Floats d;
  const VF power =
      hn::Min(hn::Max(PowerBelow(m), hn::Set(d, 6.103515625e-5f)),  // 2^-14
              hn::Set(d, 65536.0f));
  const VF c = hn::Mul(power, hn::Set(d, 8192.0f));  // 2^13
  const VF r = hn::Sub(hn::Add(m, c), c);
  return hn::IfThenElse(hn::Ge(r, hn::Set(d, 65536.0f)),
                        FloatOfBits(0x7F800000), r);
}

struct RoundHalf {
  HWY_INLINE VF operator()(VF v) const {
    return hn::CopySign(RoundHalfMagnitude(hn::Abs(v)), v);
  }
};

HWY_INLINE VU RoundBfloat16Bits(VF v) {
  const Words d;
  const VU bits = hn::BitCast(d, v);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), SetWords(1));
  const VU rounded = hn::And(hn::Add(bits, hn::Add(SetWords(0x7FFF), odd)),
                             SetWords(0xFFFF0000));
  const VU quiet =
      hn::Or(hn::And(bits, SetWords(0xFFFF0000)), SetWords(0x00400000));
  const auto is_nan = hn::RebindMask(d, hn::IsNaN(v));
  return hn::IfThenElse(is_nan, quiet, rounded);
}

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

void RoundToHalfGridImpl(const float* x, size_t n, float* y) {
  Map(x, n, y, RoundHalf());
}

void RoundToBfloat16GridImpl(const float* x, size_t n, float* y) {
  Map(x, n, y, RoundBfloat16());
}

void Bfloat16ToFloatImpl(const uint16_t* HWY_RESTRICT x, size_t n,
                         float* HWY_RESTRICT y) {
  const Floats d;
  const Words dw;
  const Halves d16;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VU bits = hn::ShiftLeft<16>(hn::PromoteTo(dw, hn::LoadU(d16, x + i)));
    const VF v = hn::BitCast(d, bits);
    const VU quiet = hn::Or(bits, SetWords(0x00400000));
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), hn::BitCast(d, quiet), v), d,
               y + i);
  }
  for (; i < n; ++i) y[i] = DecodeBfloat16(x[i]);
}

void HalfToFloatImpl(const uint16_t* HWY_RESTRICT x, size_t n,
                     float* HWY_RESTRICT y) {
  const Floats d;
  const Words dw;
  const Halves d16;
  size_t i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  // F16C, whose conversions are those of formats/float16.h.
  (void)dw;
  const hn::Rebind<hwy::float16_t, Floats> df16;
  for (; i + kLanes <= n; i += kLanes) {
    const auto half = hn::BitCast(df16, hn::LoadU(d16, x + i));
    hn::StoreU(hn::PromoteTo(d, half), d, y + i);
  }
#else
  for (; i + kLanes <= n; i += kLanes) {
    const VU bits = hn::PromoteTo(dw, hn::LoadU(d16, x + i));
    const VU sign = hn::ShiftLeft<16>(hn::And(bits, SetWords(0x8000)));
    const VU magnitude = hn::And(bits, SetWords(0x7FFF));
    const VU normal =
        hn::ShiftLeft<13>(hn::Add(magnitude, SetWords(112u << 10)));
    // Multiples of 2^-24, exact in FP32.
    const VU subnormal = hn::BitCast(
        dw, hn::Mul(hn::ConvertTo(d, hn::BitCast(Ints(), magnitude)),
                    hn::Set(d, 5.9604644775390625e-8f)));
    const VU special =
        hn::Or(SetWords(0x7F800000),
               hn::ShiftLeft<13>(hn::And(magnitude, SetWords(0x3FF))));
    const auto signed_magnitude = hn::BitCast(Ints(), magnitude);
    const auto is_nan =
        hn::RebindMask(dw, hn::Gt(signed_magnitude, hn::Set(Ints(), 0x7C00)));
    const auto is_special =
        hn::RebindMask(dw, hn::Gt(signed_magnitude, hn::Set(Ints(), 0x7BFF)));
    const auto is_subnormal =
        hn::RebindMask(dw, hn::Lt(signed_magnitude, hn::Set(Ints(), 0x400)));
    VU value = hn::IfThenElse(is_subnormal, subnormal, normal);
    value = hn::IfThenElse(is_special, special, value);
    value = hn::Or(value, hn::IfThenElseZero(is_nan, SetWords(0x00400000)));
    hn::StoreU(hn::BitCast(d, hn::Or(value, sign)), d, y + i);
  }
#endif
  for (; i < n; ++i) y[i] = DecodeHalf(x[i]);
}

void FloatToBfloat16Impl(const float* HWY_RESTRICT x, size_t n,
                         uint16_t* HWY_RESTRICT y) {
  const Floats d;
  const Halves d16;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VU bits = hn::ShiftRight<16>(RoundBfloat16Bits(hn::LoadU(d, x + i)));
    hn::StoreU(hn::TruncateTo(d16, bits), d16, y + i);
  }
  for (; i < n; ++i) y[i] = EncodeBfloat16(x[i]);
}

void FloatToHalfImpl(const float* HWY_RESTRICT x, size_t n,
                     uint16_t* HWY_RESTRICT y) {
  const Floats d;
  const Words dw;
  const Halves d16;
  size_t i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  (void)dw;
  const hn::Rebind<hwy::float16_t, Floats> df16;
  for (; i + kLanes <= n; i += kLanes) {
    const auto half = hn::DemoteTo(df16, hn::LoadU(d, x + i));
    hn::StoreU(hn::BitCast(d16, half), d16, y + i);
  }
#else
  for (; i + kLanes <= n; i += kLanes) {
    const VF v = hn::LoadU(d, x + i);
    const VU bits = hn::BitCast(dw, v);
    const VF r = RoundHalfMagnitude(hn::Abs(v));
    const VU magnitude = hn::BitCast(dw, r);
    const VU normal =
        hn::Sub(hn::ShiftRight<13>(magnitude), SetWords(112u << 10));
    const VU subnormal = hn::BitCast(
        dw, hn::ConvertTo(Ints(), hn::Mul(r, hn::Set(d, 16777216.0f))));
    const VU nan = hn::Or(SetWords(0x7E00),
                          hn::And(hn::ShiftRight<13>(bits), SetWords(0x3FF)));
    const auto is_subnormal = hn::Lt(r, hn::Set(d, 6.103515625e-5f));
    const auto is_infinite = hn::Eq(r, FloatOfBits(0x7F800000));
    const auto is_nan = hn::IsNaN(v);
    VU code =
        hn::IfThenElse(hn::RebindMask(dw, is_subnormal), subnormal, normal);
    code =
        hn::IfThenElse(hn::RebindMask(dw, is_infinite), SetWords(0x7C00), code);
    code = hn::IfThenElse(hn::RebindMask(dw, is_nan), nan, code);
    const VU sign = hn::And(hn::ShiftRight<16>(bits), SetWords(0x8000));
    hn::StoreU(hn::TruncateTo(d16, hn::Or(code, sign)), d16, y + i);
  }
#endif
  for (; i < n; ++i) y[i] = EncodeHalf(x[i]);
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

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
