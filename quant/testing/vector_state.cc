#include "quant/testing/vector_state.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <cstdint>

namespace cnn_fp4::quant {

#ifdef __x86_64__

namespace {

bool IsReportedInUse() {
  constexpr uint32_t kUpperHalves = 1u << 2 | 1u << 6;  // YMM, ZMM 0 to 15.
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return (low & kUpperHalves) != 0;
}

}  // namespace

bool UpperHalvesInUse() {
  constexpr uint32_t kXgetbvOne = 1u << 2;
  uint32_t eax, ebx, ecx, edx;
  if (__get_cpuid_count(0xD, 1, &eax, &ebx, &ecx, &edx) == 0 ||
      (eax & kXgetbvOne) == 0 || !IsReportedInUse()) {
    return false;
  }
  // A CPU may report more than is in use; one that still does now does not
  // tell.
  asm volatile("vzeroupper");
  return !IsReportedInUse();
}

#else

bool UpperHalvesInUse() { return false; }

#endif

}  // namespace cnn_fp4::quant
