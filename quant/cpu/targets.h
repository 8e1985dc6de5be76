#ifndef QUANT_CPU_TARGETS_H_
#define QUANT_CPU_TARGETS_H_

// Which instruction sets the kernels are compiled for; include it before
// hwy/foreach_target.h. SSE4 and the newest AVX-512 have nothing that these
// kernels would use beyond SSSE3 and AVX3.
#define HWY_DISABLED_TARGETS (HWY_SSE4 | HWY_AVX3_DL)

#endif  // QUANT_CPU_TARGETS_H_
