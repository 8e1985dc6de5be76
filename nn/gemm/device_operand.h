#ifndef NN_GEMM_DEVICE_OPERAND_H_
#define NN_GEMM_DEVICE_OPERAND_H_

// Operands that are quantised where their tensor lies, on a device other than
// the CPU: no copy to the host, and nothing waits.
//
//   if (const std::optional<DeviceSide> side = DeviceSideOf(x)) {
//     return QuantizeOnDevice(*side, x, recipe, grid, options);
//   }

#include <ATen/core/Tensor.h>

#include <optional>

#include "absl/status/statusor.h"
#include "nn/gemm/gemm_operand.h"
#include "quant/block_grid.h"
#include "quant/device_quantizer.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::nn {

// What quantises a tensor where it lies, in the order of `stream`.
struct DeviceSide {
  const quant::DeviceQuantizer* quantizer = nullptr;
  void* stream = nullptr;
};

// For a CUDA tensor where //quant/cuda is linked, with torch's current stream;
// nullopt for every other one.
std::optional<DeviceSide> DeviceSideOf(const at::Tensor& tensor);

// The functions below take FP32 tensors, dense and row-major or made so, and
// return values and scales on the same device. Errors: the quantiser's.

// `tensor` with the blocks of `grid`.
absl::StatusOr<GemmOperand> QuantizeOnDevice(
    const DeviceSide& side, const at::Tensor& tensor,
    const quant::Recipe& recipe, const quant::BlockGrid& grid,
    const quant::QuantizeOptions& options);

// `tensor` as it is read through `window`: as values of `shape`, with blocks
// along its last dimension.
absl::StatusOr<GemmOperand> QuantizeWindowsOnDevice(
    const DeviceSide& side, const at::Tensor& tensor,
    const quant::SourceWindow& window, at::IntArrayRef shape,
    const quant::Recipe& recipe, const quant::QuantizeOptions& options);

// One of two operands of a tensor.
struct WayOnDevice {
  quant::Recipe recipe;
  quant::BlockGrid grid;
  quant::QuantizeOptions options;
};
struct BothOnDevice {
  GemmOperand rows;
  GemmOperand columns;
};

// Both from one read of `tensor`, where DeviceQuantizer::QuantizeBothWays has
// it: `rows` with blocks along memory, `columns` with blocks across it.
absl::StatusOr<BothOnDevice> QuantizeBothOnDevice(const DeviceSide& side,
                                                  const at::Tensor& tensor,
                                                  const WayOnDevice& rows,
                                                  const WayOnDevice& columns);

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_DEVICE_OPERAND_H_
