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
#include "quant/cpu/pair_sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

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
