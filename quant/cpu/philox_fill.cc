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

// A 32-bit word of a block in the lower half of each lane. The upper halves
// hold anything: products are of lower halves, and nothing else looks at them.
using Lanes64 = hn::Repartition<uint64_t, Words>;
using V64 = hn::Vec<Lanes64>;
constexpr size_t kBlocks = kLanes / 2;

HWY_INLINE V64 Multiply(V64 a, uint32_t b) {
  const Words d;
  return hn::MulEven(hn::BitCast(d, a), hn::Set(d, b));
}

// A vector of blocks.
struct Blocks {
  V64 c0, c1, c2, c3;
};

// Blocks first .. first + kBlocks - 1 before the first round.
HWY_INLINE Blocks Counters(uint64_t step, uint64_t first) {
  const Lanes64 d;
  HWY_ALIGN uint64_t index[kBlocks];
  for (size_t i = 0; i < kBlocks; ++i) {
    // So that interleaving, which takes neighbouring lanes to different
    // vectors, leaves the blocks in order.
    index[i] = first + i % 2 * (kBlocks / 2) + i / 2;
  }
  const V64 c0 = hn::Load(d, index);
  return {c0, hn::ShiftRight<32>(c0), hn::Set(d, step), hn::Set(d, step >> 32)};
}

HWY_INLINE Blocks Round(const Blocks& b, V64 seed, V64 stream) {
  const V64 p0 = Multiply(b.c0, kPhiloxMultiplier0);
  const V64 p1 = Multiply(b.c2, kPhiloxMultiplier1);
  return {hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), b.c1), seed), p1,
          hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), b.c3), stream), p0};
}

// Words in element order.
HWY_INLINE void StoreBlocks(const Blocks& b, uint32_t* words) {
  const Lanes64 d;
  const Words dw;
  const auto pair = [&](V64 even, V64 odd) HWY_ATTR {
    return hn::BitCast(d, hn::OddEven(hn::BitCast(dw, hn::ShiftLeft<32>(odd)),
                                      hn::BitCast(dw, even)));
  };
  const V64 low = pair(b.c0, b.c1);
  const V64 high = pair(b.c2, b.c3);
  hn::StoreU(hn::BitCast(dw, hn::InterleaveLower(d, low, high)), dw, words);
  hn::StoreU(hn::BitCast(dw, hn::InterleaveUpper(d, low, high)), dw,
             words + kLanes);
}

// Writes two vectors of Philox blocks, first .. first + 2 * kBlocks - 1: a
// round waits for the one before, so that one alone leaves the processor half
// idle.
HWY_INLINE void PhiloxLanes(PhiloxKey key, uint64_t step, uint64_t first,
                            uint32_t* words) {
  const Lanes64 d;
  Blocks a = Counters(step, first);
  Blocks b = Counters(step, first + kBlocks);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const V64 seed = hn::Set(d, key.seed);
    const V64 stream = hn::Set(d, key.stream);
    a = Round(a, seed, stream);
    b = Round(b, seed, stream);
    key.seed += kPhiloxWeyl0;
    key.stream += kPhiloxWeyl1;
  }
  StoreBlocks(a, words);
  StoreBlocks(b, words + 2 * kLanes);
}

void FillRandomBlocksImpl(PhiloxKey key, uint64_t step, uint64_t first,
                          size_t blocks, uint32_t* words) {
  const KernelScope scope;
  size_t i = 0;
  for (; i + 2 * kBlocks <= blocks; i += 2 * kBlocks) {
    PhiloxLanes(key, step, first + i, words + 4 * i);
  }
  for (; i < blocks; ++i) {
    const PhiloxBlock block = PhiloxAt(first + i, key, step);
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

void FillRandomBytes(PhiloxKey key, uint64_t step, uint64_t first, size_t n,
                     uint8_t* bytes) {
  // Bytes of a word lie from the lowest up: that of a little-endian machine.
  HWY_DYNAMIC_DISPATCH(FillRandomBlocksImpl)
  (key, step, first / 16, (n + 15) / 16, reinterpret_cast<uint32_t*>(bytes));
}

void FillRandomWords(PhiloxKey key, uint64_t step, uint64_t first, size_t n,
                     uint32_t* words) {
  HWY_DYNAMIC_DISPATCH(FillRandomBlocksImpl)
  (key, step, first / 4, (n + 3) / 4, words);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
