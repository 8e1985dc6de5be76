// DecodeTile of quant/cpu/kernels.h.

#include <cmath>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"
#include "quant/formats/e2m1.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/decode_tile.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/cache_control.h"
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

HWY_INLINE VF DecodeLanes(VU codes) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  alignas(64) static constexpr float kValues[16] = {
      0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  return VF{_mm512_permutexvar_ps(codes.raw, hn::Load(Floats(), kValues).raw)};
#else
  // From 1 on, exponent and mantissa bit lie as in FP32.
  const Floats d;
  const Words dw;
  const Ints di;
  const VU m = hn::And(codes, hn::Set(dw, 7u));
  const VF large =
      hn::BitCast(d, hn::Add(hn::ShiftLeft<22>(m), hn::Set(dw, 126u << 23)));
  const VF small =
      hn::Mul(hn::ConvertTo(d, hn::BitCast(di, m)), hn::Set(d, 0.5f));
  const VF v = hn::IfThenElse(hn::Lt(small, hn::Set(d, 1.0f)), small, large);
  const VU sign = hn::ShiftLeft<28>(hn::And(codes, hn::Set(dw, 8u)));
  return hn::Or(v, hn::BitCast(d, sign));
#endif
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

// One by one, for tiles in which not every pair is finite.
void CountFiniteCodes(const CodeTile& tile, CodeCounts& counts) {
  for (size_t r = 0; r < tile.rows; ++r) {
    for (size_t i = 0; i < tile.width; ++i) {
      const float x = tile.x[r * tile.x_stride + i];
      const float y =
          tile.values[r * tile.value_stride + i] * tile.tensor_scale;
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      ++counts.counts[tile.codes[r * tile.code_stride + i]];
    }
  }
}

template <bool kStream>
HWY_INLINE void DecodeRows(const CodeTile& tile, Accumulators& a) {
  const Floats d;
  const Words dw;
  const hn::Rebind<uint8_t, Words> d8;
  const VF tensor_scale = hn::Set(d, tile.tensor_scale);
  const bool down = tile.block_units == 0;  // One scale a column.
  for (size_t r = 0; r < tile.rows; ++r) {
    const float* x = tile.x + r * tile.x_stride;
    const uint8_t* codes = tile.codes + r * tile.code_stride;
    const float* scales = tile.scales + r * tile.scale_stride;
    float* values = tile.values + r * tile.value_stride;
    for (size_t i = 0; i < tile.width; i += kUnit) {
      const float* scale =
          down ? scales + i : scales + i / kUnit / tile.block_units;
      for (size_t j = 0; j < kUnit; j += kLanes) {
        const VU code = hn::PromoteTo(dw, hn::LoadU(d8, codes + i + j));
        const VF stored = down ? hn::LoadU(d, scale + j) : hn::Set(d, *scale);
        const VF v = hn::Mul(DecodeLanes(code), stored);
        if constexpr (kStream) {
          hn::Stream(v, d, values + i + j);
        } else {
          hn::StoreU(v, d, values + i + j);
        }
        AddPairs(hn::LoadU(d, x + i + j), hn::Mul(v, tensor_scale), code, j, a);
      }
    }
  }
}

void DecodeTileImpl(const CodeTile& tile, DistortionSums& sums) {
  const KernelScope scope;
  Accumulators a;
  Clear(a);
  const bool aligned =
      reinterpret_cast<uintptr_t>(tile.values) % (kLanes * sizeof(float)) ==
          0 &&
      tile.value_stride % kLanes == 0;
  if (tile.stream && aligned) {
    DecodeRows<true>(tile, a);
  } else {
    DecodeRows<false>(tile, a);
  }
  const auto pairs = static_cast<int64_t>(tile.rows * tile.width);
  const int64_t finite = SumOf(a.finite);
  Merge(a, sums);
  sums.nonfinite += pairs - finite;
  if (finite < pairs) return CountFiniteCodes(tile, sums.codes);
  for (size_t r = 0; r < tile.rows; ++r) {
    CountCodes(tile.codes + r * tile.code_stride, tile.width, sums.codes);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(DecodeTileImpl);

void DecodeTile(const CodeTile& tile, DistortionSums& sums) {
  HWY_DYNAMIC_DISPATCH(DecodeTileImpl)(tile, sums);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
