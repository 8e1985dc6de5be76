// The kernels of quant/cpu/kernels.h that read and write packed codes.

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"
#include "quant/formats/e2m1.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/dequantize.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

using Bytes16 = hn::FixedTag<uint8_t, 16>;

// The upper half of the FP32 bits of each code, as two tables of bytes.
alignas(16) constexpr uint8_t kHighBytes[16] = {
    0x00, 0x3F, 0x3F, 0x3F, 0x40, 0x40, 0x40, 0x40,
    0x80, 0xBF, 0xBF, 0xBF, 0xC0, 0xC0, 0xC0, 0xC0};
alignas(16) constexpr uint8_t kLowBytes[16] = {
    0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0,
    0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0};

using Tops = hn::Repartition<uint16_t, Bytes16>;  // Eight upper halves.

// 16 codes from 8 packed bytes to the upper halves of FP32 numbers.
struct UnitTops {
  hn::Vec<Tops> low;
  hn::Vec<Tops> high;
};

HWY_INLINE UnitTops DecodeUnit(const uint8_t* packed) {
  const Bytes16 d;
  const Tops d16;
  const hn::FixedTag<uint8_t, 8> d8;
  const auto pairs = hn::ZeroExtendVector(d, hn::LoadU(d8, packed));
  const auto spread = hn::InterleaveLower(d, pairs, pairs);
  // Even bytes keep their low nibble, odd ones their high nibble.
  const auto words = hn::BitCast(d16, spread);
  const auto low = hn::And(words, hn::Set(d16, 0x000F));
  const auto high = hn::And(hn::ShiftRight<4>(words), hn::Set(d16, 0x0F00));
  const auto codes = hn::BitCast(d, hn::Or(low, high));
  const auto high_bytes = hn::TableLookupBytes(hn::Load(d, kHighBytes), codes);
  const auto low_bytes = hn::TableLookupBytes(hn::Load(d, kLowBytes), codes);
  return {hn::BitCast(d16, hn::InterleaveLower(d, low_bytes, high_bytes)),
          hn::BitCast(d16, hn::InterleaveUpper(d, low_bytes, high_bytes))};
}

// Lanes i .. i + kLanes - 1 of a unit as FP32. In registers: storing halves and
// loading the whole would wait for the stores.
template <size_t i>
HWY_INLINE VF WidenTops(const UnitTops& tops) {
  const Words d;
  const auto widen = [d](auto top) {
    return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(d, top)));
  };
#if HWY_MAX_BYTES >= 64
  return widen(hn::Combine(hn::Rebind<uint16_t, Words>(), tops.high, tops.low));
#elif HWY_MAX_BYTES == 32
  return widen(i == 0 ? tops.low : tops.high);
#else
  const auto& half = i < 8 ? tops.low : tops.high;
  return i % 8 == 0 ? widen(hn::LowerHalf(half))
                    : widen(hn::UpperHalf(hn::Half<Tops>(), half));
#endif
}

// Calls body(lane offset, FP32 values) for each vector of a unit.
template <size_t i = 0, class Body>
HWY_INLINE void ForEachVector(const UnitTops& tops, const Body& body) {
  if constexpr (i < kUnit) {
    body(i, WidenTops<i>(tops));
    ForEachVector<i + kLanes>(tops, body);
  }
}

// Signs are in the values, so a plain product is the reference's.
void DequantizeUnitsImpl(const uint8_t* HWY_RESTRICT packed, size_t units,
                         const float* HWY_RESTRICT dequantize,
                         float* HWY_RESTRICT values) {
  const Floats d;
  for (size_t u = 0; u < units; ++u, values += kUnit) {
    const VF factor = hn::Set(d, dequantize[u]);
    ForEachVector(DecodeUnit(packed + u * kUnit / 2), [&](size_t i, VF v) {
      hn::StoreU(hn::Mul(v, factor), d, values + i);
    });
  }
}

void DequantizeElementsImpl(const uint8_t* packed, size_t first, size_t n,
                            const float* HWY_RESTRICT dequantize,
                            float* HWY_RESTRICT values) {
  const Floats d;
  size_t i = 0;
  const auto scalar = [&] {
    const size_t at = first + i;
    const uint8_t code = packed[at / 2] >> (4 * (at % 2)) & 15;
    values[i] = DecodeE2m1(code) * dequantize[i];
    ++i;
  };
  while (i < n && (first + i) % 2 != 0) scalar();
  for (; i + kUnit <= n; i += kUnit) {
    const float* factors = dequantize + i;
    float* to = values + i;
    ForEachVector(DecodeUnit(packed + (first + i) / 2), [&](size_t j, VF v) {
      hn::StoreU(hn::Mul(v, hn::LoadU(d, factors + j)), d, to + j);
    });
  }
  while (i < n) scalar();
}

void PackCodesImpl(const uint8_t* HWY_RESTRICT codes, size_t n,
                   uint8_t* HWY_RESTRICT packed) {
  const hn::CappedTag<uint8_t, 32> d;
  const hn::Repartition<uint16_t, decltype(d)> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const size_t step = hn::Lanes(d);
  size_t i = 0;
  for (; i + step <= n; i += step) {
    const auto pairs = hn::BitCast(d16, hn::LoadU(d, codes + i));
    const auto bytes = hn::Or(pairs, hn::ShiftRight<4>(pairs));
    const auto clean = hn::And(bytes, hn::Set(d16, 0x00FF));
    hn::StoreU(hn::TruncateTo(d8, clean), d8, packed + i / 2);
  }
  for (; i + 1 < n; i += 2) {
    packed[i / 2] = static_cast<uint8_t>(codes[i] | codes[i + 1] << 4);
  }
  if (i < n) packed[i / 2] = codes[i];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(DequantizeUnitsImpl);
HWY_EXPORT(DequantizeElementsImpl);
HWY_EXPORT(PackCodesImpl);

void DequantizeUnits(const uint8_t* packed, size_t units,
                     const float* dequantize, float* values) {
  HWY_DYNAMIC_DISPATCH(DequantizeUnitsImpl)
  (packed, units, dequantize, values);
}

void DequantizeElements(const uint8_t* packed, size_t first, size_t n,
                        const float* dequantize, float* values) {
  HWY_DYNAMIC_DISPATCH(DequantizeElementsImpl)
  (packed, first, n, dequantize, values);
}

void PackCodes(const uint8_t* codes, size_t n, uint8_t* packed) {
  HWY_DYNAMIC_DISPATCH(PackCodesImpl)(codes, n, packed);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
