#ifndef QUANT_PHILOX_H_
#define QUANT_PHILOX_H_

// Philox4x32-10, the counter-based random generator of Salmon et al., "Parallel
// Random Numbers: As Easy as 1, 2, 3" (SC 2011); known answers are those that
// Random123 publishes.
//
// How the stochastic roundings use it is part of the contract, so that every
// thread count, vector width and machine gives the same bits: the key is
// {seed, stream}, the counter the {low, high} halves of a 64-bit index and then
// those of a 64-bit step, and element i of the tensor (row-major, in elements)
// takes
//   8 bits:   byte i % 16 of the block with index i / 16 (byte b is bits
//             8 * (b % 4) and up of word b / 4);
//   32 bits:  word i % 4 of the block with index i / 4.
//
// So a training that counts its steps draws new bits at every one, under one
// key, and the same ones when it resumes.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

inline constexpr int kPhiloxRounds = 10;
inline constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53;
inline constexpr uint32_t kPhiloxMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9;
inline constexpr uint32_t kPhiloxWeyl1 = 0xBB67AE85;

struct PhiloxKey {
  uint32_t seed = 0;
  uint32_t stream = 0;
};

struct PhiloxBlock {
  uint32_t words[4] = {};
};

CNN_FP4_HOST_DEVICE constexpr PhiloxBlock Philox4x32(PhiloxBlock counter,
                                                     PhiloxKey key) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = uint64_t{kPhiloxMultiplier0} * counter.words[0];
    const uint64_t p1 = uint64_t{kPhiloxMultiplier1} * counter.words[2];
    counter = PhiloxBlock{
        {static_cast<uint32_t>(p1 >> 32) ^ counter.words[1] ^ key.seed,
         static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ counter.words[3] ^ key.stream,
         static_cast<uint32_t>(p0)}};
    key.seed += kPhiloxWeyl0;
    key.stream += kPhiloxWeyl1;
  }
  return counter;
}

// The block with a 64-bit index, at a step.
CNN_FP4_HOST_DEVICE constexpr PhiloxBlock PhiloxAt(uint64_t index,
                                                   PhiloxKey key,
                                                   uint64_t step = 0) {
  return Philox4x32(
      PhiloxBlock{
          {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
           static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32)}},
      key);
}

// Word i % 4 of a block, by choices: an index that is known at run time only
// would put the block into memory on a GPU.
CNN_FP4_HOST_DEVICE constexpr uint32_t WordOf(const PhiloxBlock& block,
                                              uint64_t i) {
  const uint32_t low = (i & 1) != 0 ? block.words[1] : block.words[0];
  const uint32_t high = (i & 1) != 0 ? block.words[3] : block.words[2];
  return (i & 2) != 0 ? high : low;
}

// The 8 and the 32 random bits of element `index` at a step.
CNN_FP4_HOST_DEVICE constexpr uint8_t RandomByte(uint64_t index, PhiloxKey key,
                                                 uint64_t step = 0) {
  const uint32_t word = WordOf(PhiloxAt(index / 16, key, step), index / 4);
  return static_cast<uint8_t>(word >> (8 * (index % 4)));
}
CNN_FP4_HOST_DEVICE constexpr uint32_t RandomWord(uint64_t index, PhiloxKey key,
                                                  uint64_t step = 0) {
  return WordOf(PhiloxAt(index / 4, key, step), index);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_PHILOX_H_
