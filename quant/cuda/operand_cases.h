#ifndef QUANT_CUDA_OPERAND_CASES_H_
#define QUANT_CUDA_OPERAND_CASES_H_

// What a backward pass asks of a device's quantiser, against quant/reference on
// tensors that are built: two operands of one tensor at once, and sources that
// are read through a window. executor_quantizer_test.cc runs the cases on the
// CPU, gpu_test.cc on a GPU.

#include <cstdint>
#include <string>
#include <vector>

#include "quant/cuda/device_memory.h"
#include "quant/device_quantizer.h"
#include "quant/dtype.h"

namespace cnn_fp4::quant::cuda {

// A tensor [images, channels, positions], with blocks along the positions and
// along the channels.
struct BothCase {
  std::string rows;
  std::string columns;
  int64_t images = 2;
  int64_t channels = 16;
  int64_t positions = 64;
  DType type = DType::kFloat32;
  bool packed = false;  // Codes and scales instead of values.
  bool statistics = false;
  bool nonfinite = false;
  bool swizzled = false;  // Scales of the rows; packed alone.
  bool one_read = true;   // Else as two calls.
};

std::string ToString(const BothCase& c);
std::vector<BothCase> AllBothCases();
// Under each policy for values that are not finite.
void RunBothCase(const BothCase& c, const DeviceQuantizer& device,
                 DeviceMemory& memory);

struct WindowCase {
  std::string recipe;
  int64_t images = 2;
  SourceWindow window;
  DType in = DType::kFloat32;
  DType out = DType::kFloat32;
  bool statistics = false;
};

std::string ToString(const WindowCase& c);
std::vector<WindowCase> AllWindowCases();
void RunWindowCase(const WindowCase& c, const DeviceQuantizer& device,
                   DeviceMemory& memory);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_OPERAND_CASES_H_
