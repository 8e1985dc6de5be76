#ifndef QUANT_CPU_PREFETCH_H_
#define QUANT_CPU_PREFETCH_H_

#include <cstdint>

namespace cnn_fp4::quant::cpu {

// Asks for memory ahead of time, to be read (0) or written (1): for what is
// gone through in runs too short for the CPU to guess the next one.
template <int kWrite>
void Prefetch(const void* from, int64_t bytes) {
  constexpr int64_t kLineBytes = 64;
  const char* at = static_cast<const char*>(from);
  for (int64_t i = 0; i < bytes; i += kLineBytes) {
    __builtin_prefetch(at + i, kWrite);
  }
}

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PREFETCH_H_
