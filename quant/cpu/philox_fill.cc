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

// The keys of all rounds, each in every lane.
struct RoundKeys {
  HWY_ALIGN uint64_t seed[kPhiloxRounds][kBlocks];
  HWY_ALIGN uint64_t stream[kPhiloxRounds][kBlocks];
};

HWY_INLINE void Expand(PhiloxKey key, RoundKeys& keys) {
  const Lanes64 d;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    hn::Store(hn::Set(d, key.seed), d, keys.seed[round]);
    hn::Store(hn::Set(d, key.stream), d, keys.stream[round]);
    key.seed += kPhiloxWeyl0;
    key.stream += kPhiloxWeyl1;
  }
}

HWY_INLINE Blocks Round(const Blocks& b, V64 seed, V64 stream) {
  const V64 p0 = Multiply(b.c0, kPhiloxMultiplier0);
  const V64 p1 = Multiply(b.c2, kPhiloxMultiplier1);
  // What needs no product is done while one is waited for.
  const V64 c1 = hn::Xor(b.c1, seed);
  const V64 c3 = hn::Xor(b.c3, stream);
  return {hn::Xor(hn::ShiftRight<32>(p1), c1), p1,
          hn::Xor(hn::ShiftRight<32>(p0), c3), p0};
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

// Writes kTogether vectors of Philox blocks, from `first` on.
template <size_t kTogether>
HWY_INLINE void PhiloxLanes(const RoundKeys& keys, uint64_t step,
                            uint64_t first, uint32_t* words) {
  const Lanes64 d;
  Blocks b[kTogether];
#pragma GCC unroll 8
  for (size_t v = 0; v < kTogether; ++v) {
    b[v] = Counters(step, first + v * kBlocks);
  }
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const V64 seed = hn::Load(d, keys.seed[round]);
    const V64 stream = hn::Load(d, keys.stream[round]);
#pragma GCC unroll 8
    for (size_t v = 0; v < kTogether; ++v) b[v] = Round(b[v], seed, stream);
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kTogether; ++v) {
    StoreBlocks(b[v], words + v * 2 * kLanes);
  }
}

void FillRandomBlocksImpl(PhiloxKey key, uint64_t step, uint64_t first,
                          size_t blocks, uint32_t* words) {
  const KernelScope scope;
  RoundKeys keys;
  Expand(key, keys);
  size_t i = 0;
  // A round waits for the one before, so that one vector alone leaves the
  // processor half idle.
  constexpr size_t kTogether = 3;
  for (; i + kTogether * kBlocks <= blocks; i += kTogether * kBlocks) {
    PhiloxLanes<kTogether>(keys, step, first + i, words + 4 * i);
  }
  for (; i + kBlocks <= blocks; i += kBlocks) {
    PhiloxLanes<1>(keys, step, first + i, words + 4 * i);
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
