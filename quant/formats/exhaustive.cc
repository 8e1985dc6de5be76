// All 2^32 floats through our encoders and those of cuda_fp4.h and cuda_fp8.h:
//
//   bazel run //quant/formats:exhaustive
//
// Exit status 1 on the first disagreements of any thread. A few minutes.

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "quant/formats/cuda_conversions.h"

int main() {
  int64_t mismatches = 0;
#pragma omp parallel for reduction(+ : mismatches) schedule(dynamic)
  for (int64_t high = 0; high < int64_t{1} << 12; ++high) {
    for (int64_t low = 0; low < int64_t{1} << 20; ++low) {
      const uint32_t bits = static_cast<uint32_t>(high << 20 | low);
      if (cnn_fp4::quant::AgreesWithCuda(bits)) continue;
      if (mismatches++ < 4) std::printf("mismatch at 0x%08" PRIX32 "\n", bits);
    }
  }
  std::printf("2^32 floats compared, %" PRId64 " mismatches\n", mismatches);
  return mismatches == 0 ? 0 : 1;
}
