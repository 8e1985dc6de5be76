#ifndef QUANT_CPU_NARROW_KERNELS_H_
#define QUANT_CPU_NARROW_KERNELS_H_

// Vector kernels for FP16 and BF16, one thread; the same bits on every
// instruction set. Nearest even, overflow to infinity, NaN stays NaN (made
// quiet, its payload cut).

#include <cstddef>
#include <cstdint>

namespace cnn_fp4::quant::cpu {

// y[i] = x[i] rounded onto the grid, as FP32. y may be x.
void RoundToHalfGrid(const float* x, size_t n, float* y);
void RoundToBfloat16Grid(const float* x, size_t n, float* y);

// Bits of the narrow types, from and to FP32.
void HalfToFloat(const uint16_t* x, size_t n, float* y);
void Bfloat16ToFloat(const uint16_t* x, size_t n, float* y);
void FloatToHalf(const float* x, size_t n, uint16_t* y);
void FloatToBfloat16(const float* x, size_t n, uint16_t* y);

// The largest of the bits, of either type, without their signs: those of amax,
// or of a NaN if there is one.
uint16_t MaxMagnitudeBits(const uint16_t* x, size_t n);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_NARROW_KERNELS_H_
