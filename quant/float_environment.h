#ifndef QUANT_FLOAT_ENVIRONMENT_H_
#define QUANT_FLOAT_ENVIRONMENT_H_

// The floating-point environment in which the library computes: nearest even,
// subnormals kept, no traps. A caller may have another one, by a call such as
// torch.set_flush_denormal or fesetround, or by a library that was linked with
// -ffast-math; each thread has its own. Without this the same tensor would give
// other bits on another thread.
//
//   const FloatEnvironment environment;  // Until the end of the scope.
//
// Costs two writes of a register, about 20 cycles. What a compiler does with
// values that were in registers before is its own business: read what is
// computed with from memory, or call a function.

#include <cstdint>

#if !defined(__SSE__) && !defined(__aarch64__)
#include <cfenv>
#endif

namespace cnn_fp4::quant {

class FloatEnvironment {
 public:
  // Remembers the caller's environment and sets the library's.
  FloatEnvironment() : callers_(Read()) { Write(kOwn); }
  // Sets the caller's again, its flags included.
  ~FloatEnvironment() { Write(callers_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__SSE__)
  // MXCSR (Intel SDM vol. 1, 10.2.3): all exceptions masked, no FTZ, no DAZ,
  // round to nearest.
  using Control = uint32_t;
  static constexpr Control kOwn = 0x1F80;
  static Control Read() {
    Control control;
    asm volatile("stmxcsr %0" : "=m"(control) : : "memory");
    return control;
  }
  static void Write(Control control) {
    asm volatile("ldmxcsr %0" : : "m"(control) : "memory");
  }
#elif defined(__aarch64__)
  // FPCR (Arm ARM, C5.2.8): no FZ, no FZ16, round to nearest, no traps.
  using Control = uint64_t;
  static constexpr Control kOwn = 0;
  static Control Read() {
    Control control;
    asm volatile("mrs %0, fpcr" : "=r"(control) : : "memory");
    return control;
  }
  static void Write(Control control) {
    asm volatile("msr fpcr, %0" : : "r"(control) : "memory");
  }
#else
  using Control = int;
  static constexpr Control kOwn = FE_TONEAREST;
  static Control Read() { return fegetround(); }
  static void Write(Control control) { fesetround(control); }
#endif

  const Control callers_;
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_FLOAT_ENVIRONMENT_H_
