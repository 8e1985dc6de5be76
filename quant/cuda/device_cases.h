#ifndef QUANT_CUDA_DEVICE_CASES_H_
#define QUANT_CUDA_DEVICE_CASES_H_

// A device's quantiser against quant/reference, bit for bit: every recipe with
// every rounding and rotation that it allows, on grids that take every way, for
// all element types. executor_quantizer_test.cc runs the cases on the CPU,
// gpu_test.cc on a GPU.

#include <cstdint>
#include <string>
#include <vector>

#include "quant/cuda/device_memory.h"
#include "quant/device_quantizer.h"
#include "quant/dtype.h"

namespace cnn_fp4::quant::cuda {

struct DeviceCase {
  std::string recipe;
  std::vector<int64_t> shape;
  // Blocks along `axis`, or tiles over tile_rows and axis.
  int axis = 0;
  int tile_rows = -1;
  DType in = DType::kFloat32;
  DType out = DType::kFloat32;
  // NaN and infinities among the values.
  bool nonfinite = false;
  // Elements that the tensors begin after an aligned address.
  int64_t misaligned = 0;
};

std::string ToString(const DeviceCase& c);

std::vector<DeviceCase> AllDeviceCases();

// Runs a case as values, as operand, as codes and scales, and back, with each
// non-finite policy, and expects the reference's bits.
void RunDeviceCase(const DeviceCase& c, const DeviceQuantizer& device,
                   DeviceMemory& memory);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_DEVICE_CASES_H_
