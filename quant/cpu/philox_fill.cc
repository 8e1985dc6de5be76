// FillRandomBytes and FillRandomWords of quant/cpu/kernels.h: Philox4x32-10
// with one counter a lane.

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/philox_fill.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

struct HighLow {
  VU high;
  VU low;
};

// The two halves of the 64-bit products.
HWY_INLINE HighLow Multiply(VU a, VU b) {
  const Words d;
  const hn::Repartition<uint64_t, Words> d64;
  const VU odd_a = hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a)));
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(odd_a, b);  // b is the same in every lane.
  const VU high_even = hn::BitCast(d, hn::ShiftRight<32>(even));
  const VU low_odd = hn::BitCast(d, hn::ShiftLeft<32>(odd));
  return {hn::OddEven(hn::BitCast(d, odd), high_even),
          hn::OddEven(low_odd, hn::BitCast(d, even))};
}

// Writes Philox blocks first .. first + kLanes - 1, words in element order.
HWY_INLINE void PhiloxLanes(PhiloxKey key, uint64_t first, uint32_t* words) {
  const Words d;
  const VU multiplier0 = hn::Set(d, kPhiloxMultiplier0);
  const VU multiplier1 = hn::Set(d, kPhiloxMultiplier1);
  HWY_ALIGN uint32_t low[kLanes];
  HWY_ALIGN uint32_t high[kLanes];
  for (size_t i = 0; i < kLanes; ++i) {
    low[i] = static_cast<uint32_t>(first + i);
    high[i] = static_cast<uint32_t>((first + i) >> 32);
  }
  VU c0 = hn::Load(d, low);
  VU c1 = hn::Load(d, high);
  VU c2 = hn::Zero(d);
  VU c3 = hn::Zero(d);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const HighLow p0 = Multiply(c0, multiplier0);
    const HighLow p1 = Multiply(c2, multiplier1);
    c0 = hn::Xor(hn::Xor(p1.high, c1), hn::Set(d, key.seed));
    c2 = hn::Xor(hn::Xor(p0.high, c3), hn::Set(d, key.stream));
    c1 = p1.low;
    c3 = p0.low;
    key.seed += kPhiloxWeyl0;
    key.stream += kPhiloxWeyl1;
  }
  hn::StoreInterleaved4(c0, c1, c2, c3, d, words);
}

void FillRandomBlocksImpl(PhiloxKey key, uint64_t first, size_t blocks,
                          uint32_t* words) {
  size_t i = 0;
  for (; i + kLanes <= blocks; i += kLanes) {
    PhiloxLanes(key, first + i, words + 4 * i);
  }
  for (; i < blocks; ++i) {
    const PhiloxBlock block = PhiloxAt(first + i, key);
    for (size_t w = 0; w < 4; ++w) words[4 * i + w] = block.words[w];
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(FillRandomBlocksImpl);

void FillRandomBytes(PhiloxKey key, uint64_t first, size_t n, uint8_t* bytes) {
  // Bytes of a word lie from the lowest up: that of a little-endian machine.
  HWY_DYNAMIC_DISPATCH(FillRandomBlocksImpl)
  (key, first / 16, (n + 15) / 16, reinterpret_cast<uint32_t*>(bytes));
}

void FillRandomWords(PhiloxKey key, uint64_t first, size_t n, uint32_t* words) {
  HWY_DYNAMIC_DISPATCH(FillRandomBlocksImpl)
  (key, first / 4, (n + 3) / 4, words);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
