#ifndef QUANT_CPU_TARGETS_H_
#define QUANT_CPU_TARGETS_H_

// Which instruction sets the kernels are compiled for; include it before
// hwy/foreach_target.h. The newest AVX-512 has nothing that these kernels would
// use.
#define HWY_DISABLED_TARGETS HWY_AVX3_DL

#endif  // QUANT_CPU_TARGETS_H_
