// The kernels of quant/cpu/kernels.h that read and write packed codes.

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"
#include "quant/formats/e2m1.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/dequantize.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/cache_control.h"
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

// 16 codes from 8 packed bytes to the upper halves of FP32 numbers.
HWY_INLINE void DecodeUnit(const uint8_t* packed, uint16_t* HWY_RESTRICT top) {
  const Bytes16 d;
  const hn::FixedTag<uint8_t, 8> d8;
  const hn::Repartition<uint16_t, Bytes16> d16;
  const auto pairs = hn::ZeroExtendVector(d, hn::LoadU(d8, packed));
  const auto spread = hn::InterleaveLower(d, pairs, pairs);
  // Even bytes keep their low nibble, odd ones their high nibble.
  const auto words = hn::BitCast(d16, spread);
  const auto low = hn::And(words, hn::Set(d16, 0x000F));
  const auto high = hn::And(hn::ShiftRight<4>(words), hn::Set(d16, 0x0F00));
  const auto codes = hn::BitCast(d, hn::Or(low, high));
  const auto high_bytes = hn::TableLookupBytes(hn::Load(d, kHighBytes), codes);
  const auto low_bytes = hn::TableLookupBytes(hn::Load(d, kLowBytes), codes);
  hn::StoreU(hn::BitCast(d16, hn::InterleaveLower(d, low_bytes, high_bytes)),
             d16, top);
  hn::StoreU(hn::BitCast(d16, hn::InterleaveUpper(d, low_bytes, high_bytes)),
             d16, top + 8);
}

HWY_INLINE VF WidenTop(const uint16_t* top) {
  const Words d;
  const hn::Rebind<uint16_t, Words> d16;
  return hn::BitCast(Floats(),
                     hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(d16, top))));
}

// Signs are in the values, so a plain product is the reference's.
void DequantizeUnitsImpl(const uint8_t* HWY_RESTRICT packed, size_t units,
                         const float* HWY_RESTRICT dequantize, bool stream,
                         float* HWY_RESTRICT values) {
  const Floats d;
  stream = stream && reinterpret_cast<uintptr_t>(values) % (4 * kLanes) == 0;
  for (size_t u = 0; u < units; ++u) {
    HWY_ALIGN uint16_t top[kUnit];
    DecodeUnit(packed + u * kUnit / 2, top);
    const VF factor = hn::Set(d, dequantize[u]);
    for (size_t i = 0; i < kUnit; i += kLanes) {
      const VF y = hn::Mul(WidenTop(top + i), factor);
      if (stream) {
        hn::Stream(y, d, values + u * kUnit + i);
      } else {
        hn::StoreU(y, d, values + u * kUnit + i);
      }
    }
  }
  if (stream) hwy::FlushStream();
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
    HWY_ALIGN uint16_t top[kUnit];
    DecodeUnit(packed + (first + i) / 2, top);
    for (size_t j = 0; j < kUnit; j += kLanes) {
      const VF y = hn::Mul(WidenTop(top + j), hn::LoadU(d, dequantize + i + j));
      hn::StoreU(y, d, values + i + j);
    }
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
