#include "quant/code_counts.h"

#include <cmath>
#include <cstddef>

namespace cnn_fp4::quant {
namespace {

constexpr size_t kMinusZero = 8;

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void CodeCounts::Merge(const CodeCounts& other) {
  for (size_t c = 0; c < counts.size(); ++c) counts[c] += other.counts[c];
}

int64_t CodeCounts::total() const {
  int64_t sum = 0;
  for (const int64_t count : counts) sum += count;
  return sum;
}

int CodeCounts::CodesUsed() const {
  int used = counts[0] + counts[kMinusZero] > 0;
  for (size_t c = 1; c < counts.size(); ++c) {
    used += c != kMinusZero && counts[c] > 0;
  }
  return used;
}

double CodeCounts::EntropyBits() const {
  const int64_t all = total();
  double entropy = 0.0;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (c == kMinusZero) continue;
    const int64_t n = counts[c] + (c == 0 ? counts[kMinusZero] : 0);
    if (n == 0) continue;
    const double p = Share(n, all);
    entropy -= p * std::log2(p);
  }
  return entropy;
}

double CodeCounts::ZeroShare() const {
  return Share(counts[0] + counts[kMinusZero], total());
}

double CodeCounts::LargestShare() const {
  return Share(counts[7] + counts[15], total());
}

}  // namespace cnn_fp4::quant
