#ifndef DATA_RNG_H_
#define DATA_RNG_H_

// Reproducible random numbers for order, augmentation and synthetic images.
//
// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014): a counter through a mixing function, in integer
// arithmetic, so every machine draws the same. std::shuffle and the std::
// distributions are implementation-defined and not used for that reason.
//
//   Rng rng({seed, epoch, sample});   // One stream per key.
//   int left = rng.Below(width - crop + 1);

#include <cstdint>
#include <initializer_list>

namespace cnn_fp4::data {

// A bijection of 64 bits without visible structure.
constexpr uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

class Rng {
 public:
  // Keys that differ in any position give unrelated streams.
  explicit Rng(std::initializer_list<uint64_t> key) {
    for (uint64_t part : key) state_ = Mix64(state_ + kGolden) ^ Mix64(part);
    state_ = Mix64(state_ + kGolden);
  }

  uint64_t Next() { return Mix64(state_ += kGolden); }

  // Uniform in [0, n), n >= 1. Its bias is below n / 2^32.
  uint32_t Below(uint32_t n) {
    return static_cast<uint32_t>(((Next() >> 32) * n) >> 32);
  }

  // Uniform in [0, 1), a multiple of 2^-53.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  double Uniform(double low, double high) {
    return low + Uniform() * (high - low);
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;
  uint64_t state_ = 0;
};

}  // namespace cnn_fp4::data

#endif  // DATA_RNG_H_
