#ifndef QUANT_CUDA_DEVICE_ARGS_H_
#define QUANT_CUDA_DEVICE_ARGS_H_

// From the quantiser's own types to QuantizeArgs, and what a call on a device
// is refused for.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quant/cuda/quantize_args.h"
#include "quant/device_quantizer.h"

namespace cnn_fp4::quant::cuda {

// A call with nothing to read or write yet. InvalidArgument as
// CheckQuantizeArguments, for options that are the host's, and for a window
// that is not the grid's.
absl::StatusOr<QuantizeArgs> MakeArgs(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      const QuantizeOptions& options);

// Lets args read x. InvalidArgument for another size than the grid takes.
absl::Status SetSource(const TensorView& x, const DeviceOptions& options,
                       QuantizeArgs& args);

// Lets args write values to y. InvalidArgument for another size than the
// grid's, and for memory that it shares with x but for a call in place.
absl::Status SetValues(const TensorView& x, const MutableTensorView& y,
                       QuantizeArgs& args);

// Lets args read or write codes and scales. InvalidArgument for pointers that
// the recipe needs, and for swizzled scales of blocks that do not lie along the
// last axis.
absl::Status SetPacked(const Recipe& recipe, const QuantizedView& view,
                       QuantizeArgs& args);

// InvalidArgument where an output shares memory with x or the other output.
absl::Status CheckApart(const TensorView& x, const DeviceOperand& rows,
                        const DeviceOperand& columns);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_DEVICE_ARGS_H_
