#ifndef TELEMETRY_CHUNK_MOMENTS_H_
#define TELEMETRY_CHUNK_MOMENTS_H_

// The sums behind telemetry/tensor_stats.h: of a chunk that fits the L1 cache,
// in vector registers (Highway, chosen at run time). Their bits are the same on
// every instruction set.

#include <cstddef>
#include <cstdint>

namespace cnn_fp4::telemetry {

struct Moments {
  double mean = 0;
  float min = 0;
  float max = 0;
  int64_t zeros = 0;  // +0 and -0.
  // Sums of powers of (x - mean).
  double m2 = 0;
  double m3 = 0;
  double m4 = 0;
};

// Of 0 < n < 2^31 finite values.
Moments ChunkMoments(const float* x, size_t n);

// True if none of n values is NaN or an infinity.
bool AllFinite(const float* x, size_t n);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_CHUNK_MOMENTS_H_
