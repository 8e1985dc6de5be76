// The kernels of quant/cpu/kernels.h that read and write packed codes.

#include <cstring>

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

// ForEachVector calls body(lane offset, FP32 values) for each vector of a unit
// of 16 codes in 8 packed bytes.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

// The low words of the codes' places, and a table that a vector holds.
alignas(64) constexpr uint32_t kShifts[16] = {0, 4, 8, 12, 16, 20, 24, 28,
                                              0, 4, 8, 12, 16, 20, 24, 28};
alignas(64) constexpr float kValues[16] = {
    0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
    -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

HWY_INLINE uint32_t LoadWord(const uint8_t* bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof(word));
  return word;
}

template <class Body>
HWY_INLINE void ForEachVector(const uint8_t* packed, const Body& body) {
  const Floats d;
  const Words dw;
  const VU shifts = hn::Load(dw, kShifts);
  const VF table = hn::Load(d, kValues);
#if HWY_MAX_BYTES >= 64
  const hn::Half<Words> half;
  const VU words = hn::Combine(dw, hn::Set(half, LoadWord(packed + 4)),
                               hn::Set(half, LoadWord(packed)));
  const VU codes = hn::And(hn::Shr(words, shifts), hn::Set(dw, 15u));
  body(0, hn::TableLookupLanes(table, hn::IndicesFromVec(d, codes)));
#else
  for (size_t i = 0; i < kUnit; i += kLanes) {
    const VU codes = hn::Shr(hn::Set(dw, LoadWord(packed + i / 2)), shifts);
    const VU magnitudes = hn::And(codes, hn::Set(dw, 7u));
    const VF v = hn::TableLookupLanes(table, hn::IndicesFromVec(d, magnitudes));
    const VU signs =
        hn::And(hn::ShiftLeft<28>(codes), hn::Set(dw, 0x80000000u));
    body(i, hn::Or(v, hn::BitCast(d, signs)));
  }
#endif
}

#else

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
  static_assert(kLanes == 4, "vectors of 16 bytes");
  const auto& half = i < 8 ? tops.low : tops.high;
  const auto quarter =
      i % 8 == 0 ? hn::LowerHalf(half) : hn::UpperHalf(hn::Half<Tops>(), half);
  return hn::BitCast(Floats(),
                     hn::ShiftLeft<16>(hn::PromoteTo(Words(), quarter)));
}

template <size_t i = 0, class Body>
HWY_INLINE void ForEachOf(const UnitTops& tops, const Body& body) {
  if constexpr (i < kUnit) {
    body(i, WidenTops<i>(tops));
    ForEachOf<i + kLanes>(tops, body);
  }
}

template <class Body>
HWY_INLINE void ForEachVector(const uint8_t* packed, const Body& body) {
  ForEachOf(DecodeUnit(packed), body);
}

#endif

// Signs are in the values, so a plain product is the reference's.
void DequantizeUnitsImpl(const uint8_t* HWY_RESTRICT packed, size_t units,
                         const float* HWY_RESTRICT dequantize, bool stream,
                         float* HWY_RESTRICT values) {
  const KernelScope scope;
  const Floats d;
  const auto run = [&](const auto& store) HWY_ATTR {
    for (size_t u = 0; u < units; ++u) {
      const VF factor = hn::Set(d, dequantize[u]);
      float* to = values + u * kUnit;
      ForEachVector(packed + u * kUnit / 2, [&](size_t i, VF v) HWY_ATTR {
        store(hn::Mul(v, factor), to + i);
      });
    }
  };
  // Only whole vectors can be streamed.
  if (stream && reinterpret_cast<uintptr_t>(values) % (kLanes * 4) == 0) {
    run([d](VF v, float* to) HWY_ATTR { hn::Stream(v, d, to); });
  } else {
    run([d](VF v, float* to) HWY_ATTR { hn::StoreU(v, d, to); });
  }
}

void DequantizeElementsImpl(const uint8_t* packed, size_t first, size_t n,
                            const float* HWY_RESTRICT dequantize,
                            float* HWY_RESTRICT values) {
  const KernelScope scope;
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
    ForEachVector(packed + (first + i) / 2, [&](size_t j, VF v) {
      hn::StoreU(hn::Mul(v, hn::LoadU(d, factors + j)), d, to + j);
    });
  }
  while (i < n) scalar();
}

void PackCodesImpl(const uint8_t* HWY_RESTRICT codes, size_t n,
                   uint8_t* HWY_RESTRICT packed) {
  const KernelScope scope;
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
                     const float* dequantize, bool stream, float* values) {
  HWY_DYNAMIC_DISPATCH(DequantizeUnitsImpl)
  (packed, units, dequantize, stream, values);
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
