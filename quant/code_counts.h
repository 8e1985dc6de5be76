#ifndef QUANT_CODE_COUNTS_H_
#define QUANT_CODE_COUNTS_H_

// How often a tensor uses each of the sixteen E2M1 codes, and what follows from
// that without the tensor that was quantised. Codes 0 and 8 are +0 and -0, one
// value of fifteen.
//
//   CodeCounts use;
//   ++use.counts[CodeAt(packed, i)];   // Of every element.
//   LOG(INFO) << use.CodesUsed() << " of " << kNumE2m1Values;

#include <array>
#include <cstdint>

namespace cnn_fp4::quant {

inline constexpr int kNumE2m1Values = 15;

struct CodeCounts {
  std::array<int64_t, 16> counts = {};

  void Merge(const CodeCounts& other);

  int64_t total() const;
  // Distinct values in use, 0 .. 15.
  int CodesUsed() const;
  // Shannon entropy of the values' frequencies in bits, 0 .. log2(15).
  double EntropyBits() const;
  // Of all codes, 0 .. 1; 0 if there are none.
  double ZeroShare() const;     // +0 and -0.
  double LargestShare() const;  // +6 and -6, clipped to it or not.
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_CODE_COUNTS_H_
