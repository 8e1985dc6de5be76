#ifndef QUANT_TESTING_HOSTILE_ENVIRONMENTS_H_
#define QUANT_TESTING_HOSTILE_ENVIRONMENTS_H_

// Floating-point environments that a caller may have and that change the
// results of ordinary arithmetic: subnormals flushed or read as zeros, other
// directions of rounding.

#include <cfenv>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace cnn_fp4::quant {

struct Environment {
  const char* name;
  unsigned control;  // Of MXCSR.
  int rounding;
};

inline constexpr Environment kUsual = {"usual", 0, FE_TONEAREST};

#ifdef __SSE__
inline constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
inline constexpr Environment kHostileEnvironments[] = {
    {"FTZ", kFlushToZero, FE_TONEAREST},
    {"DAZ", kDenormalsAreZero, FE_TONEAREST},
    {"FTZ and DAZ", kFlushToZero | kDenormalsAreZero, FE_TONEAREST},
    {"upward", 0, FE_UPWARD},
    {"downward", 0, FE_DOWNWARD},
    {"towards zero with FTZ", kFlushToZero, FE_TOWARDZERO},
};
// Of this thread: what tells environments apart.
inline unsigned Control() { return _mm_getcsr(); }
inline void Set(const Environment& e) {
  fesetround(e.rounding);
  _mm_setcsr((_mm_getcsr() & ~(kFlushToZero | kDenormalsAreZero)) | e.control);
}
#else
inline constexpr Environment kHostileEnvironments[] = {
    {"upward", 0, FE_UPWARD}, {"downward", 0, FE_DOWNWARD}};
inline unsigned Control() { return fegetround(); }
inline void Set(const Environment& e) { fesetround(e.rounding); }
#endif

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_HOSTILE_ENVIRONMENTS_H_
