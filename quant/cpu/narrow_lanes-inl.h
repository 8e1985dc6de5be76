// FP16 and BF16 elements in vector lanes: the conversions of
// quant/formats/float16.h, and loads and stores by element type.
// Included once for each instruction set by way of hwy/foreach_target.h.

#if defined(QUANT_CPU_NARROW_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANT_CPU_NARROW_LANES_INL_H_
#undef QUANT_CPU_NARROW_LANES_INL_H_
#else
#define QUANT_CPU_NARROW_LANES_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {

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

// To nearest even, in the upper halves; NaN becomes quiet.
HWY_INLINE VU RoundBfloat16Bits(VF v) {
  const Words d;
  const VU bits = hn::BitCast(d, v);
  const VU upper = SetWords(0xFFFF0000);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), SetWords(1));
  const VU rounded =
      hn::And(hn::Add(bits, hn::Add(SetWords(0x7FFF), odd)), upper);
  const VU quiet = hn::Or(hn::And(bits, upper), SetWords(0x00400000));
  return hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(v)), quiet, rounded);
}

// An element type: its bits to FP32 and back, kLanes at a time.
struct Bfloat16Lanes {
  static HWY_INLINE VF Load(const uint16_t* x) {
    const Floats d;
    const VF v = hn::BitCast(
        d, hn::ShiftLeft<16>(hn::PromoteTo(Words(), hn::LoadU(Halves(), x))));
    const VU quiet = hn::Or(hn::BitCast(Words(), v), SetWords(0x00400000));
    return hn::IfThenElse(hn::IsNaN(v), hn::BitCast(d, quiet), v);
  }
  static HWY_INLINE void Store(VF v, uint16_t* y) {
    const Halves d16;
    const VU bits = hn::ShiftRight<16>(RoundBfloat16Bits(v));
    hn::StoreU(hn::TruncateTo(d16, bits), d16, y);
  }
};

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
// F16C, whose conversions are those of formats/float16.h.
struct HalfLanes {
  static HWY_INLINE VF Load(const uint16_t* x) {
    const hn::Rebind<hwy::float16_t, Floats> df16;
    return hn::PromoteTo(Floats(), hn::BitCast(df16, hn::LoadU(Halves(), x)));
  }
  static HWY_INLINE void Store(VF v, uint16_t* y) {
    const Halves d16;
    const hn::Rebind<hwy::float16_t, Floats> df16;
    hn::StoreU(hn::BitCast(d16, hn::DemoteTo(df16, v)), d16, y);
  }
};
#else
struct HalfLanes {
  static HWY_INLINE VF Load(const uint16_t* x) {
    const Floats d;
    const Words dw;
    const VU bits = hn::PromoteTo(dw, hn::LoadU(Halves(), x));
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
    return hn::BitCast(d, hn::Or(value, sign));
  }
  static HWY_INLINE void Store(VF v, uint16_t* y) {
    const Floats d;
    const Words dw;
    const Halves d16;
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
    hn::StoreU(hn::TruncateTo(d16, hn::Or(code, sign)), d16, y);
  }
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard
