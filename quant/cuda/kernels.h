#ifndef QUANT_CUDA_KERNELS_H_
#define QUANT_CUDA_KERNELS_H_

// Launches of the kernels, for code that a plain C++ compiler compiles.
// `stream` is a cudaStream_t; null is the legacy default stream. All return
// null, or CUDA's text of the error. None waits for the device.

#include <cstddef>

#include "quant/cuda/quantize_args.h"

namespace cnn_fp4::quant::cuda {

const char* LaunchRows(Kernel kernel, const QuantizeArgs& args, void* stream);
const char* LaunchColumns(Kernel kernel, const QuantizeArgs& args,
                          void* stream);
const char* LaunchTiles(const QuantizeArgs& args, void* stream);
const char* LaunchUnits(Kernel kernel, const QuantizeArgs& args, void* stream);
// kAmaxRows and kRows of a source that is read through a window.
const char* LaunchWindows(Kernel kernel, const QuantizeArgs& args,
                          void* stream);
// kRows, kColumns, kTiles and kElements with statistics.
const char* LaunchPairs(Kernel kernel, const QuantizeArgs& args, void* stream);
const char* LaunchBoth(BothKernel kernel, const QuantizeArgs& rows,
                       const QuantizeArgs& columns, void* stream);

// Memory in the order of the stream (cudaMallocAsync): no call waits.
const char* AllocateOnStream(size_t bytes, void* stream, void** memory);
const char* ZeroOnStream(void* memory, size_t bytes, void* stream);
const char* FreeOnStream(void* memory, void* stream);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_KERNELS_H_
