#ifndef QUANT_CUDA_CUDA_QUANTIZER_H_
#define QUANT_CUDA_CUDA_QUANTIZER_H_

// The quantiser on NVIDIA GPUs. Linking this library registers it for
// Device::kCuda, so that quant's functions run there when they are given views
// of a GPU's memory:
//
//   QuantizeOptions options;
//   options.device.stream = stream;  // A cudaStream_t.
//   FakeQuantize(recipe, grid, {DType::kBfloat16, x, size, Device::kCuda},
//                {DType::kBfloat16, y, size, Device::kCuda}, options);
//
// The bits are those of quant/reference, whatever the launch. Scratch memory
// comes from the stream's pool (cudaMallocAsync): nothing waits, and a call can
// be captured in a graph.

#include "quant/device_quantizer.h"

namespace cnn_fp4::quant::cuda {

const DeviceQuantizer& CudaQuantizer();

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_CUDA_QUANTIZER_H_
