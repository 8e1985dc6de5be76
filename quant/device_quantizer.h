#ifndef QUANT_DEVICE_QUANTIZER_H_
#define QUANT_DEVICE_QUANTIZER_H_

// The seam where the quantiser of a device plugs in. quant/quantizer.h gives it
// the calls whose views name that device; quant/cuda registers itself when it
// is linked.
//
//   const DeviceQuantizer* cuda = FindDeviceQuantizer(Device::kCuda);
//   if (cuda == nullptr) ...  // Not linked.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "quant/block_grid.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::quant {

// One of the two operands of DeviceQuantizer::QuantizeBothWays.
struct DeviceOperand {
  Recipe recipe;
  BlockGrid grid;
  QuantizeOptions options;
  // Written: what QuantizeOperand writes,
  MutableTensorView values;
  float* tensor_scale = nullptr;
  // or, where packed.codes is not null, what Quantize writes.
  QuantizedView packed;
};

// All pointers are of the device's memory, all work is in the order of
// options.device.stream, and no function waits for it. The bits are those of
// quant/reference. An error of a launch is Internal, with the driver's text;
// what fails later shows in the stream.
class DeviceQuantizer {
 public:
  virtual ~DeviceQuantizer() = default;

  // What quantizer.h says of FakeQuantize.
  virtual absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                                    const TensorView& x,
                                    const MutableTensorView& y,
                                    const QuantizeOptions& options) const = 0;

  virtual absl::Status QuantizeOperand(
      const Recipe& recipe, const BlockGrid& grid, const TensorView& x,
      const MutableTensorView& y, float* tensor_scale,
      const QuantizeOptions& options) const = 0;

  // Codes and scales of x to `out`. InvalidArgument for swizzled scales of
  // blocks that do not lie along the last axis.
  virtual absl::Status Quantize(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const QuantizedView& out,
                                const QuantizeOptions& options) const = 0;

  // Two operands of x, whose outputs share no memory with it or each other:
  // `rows` with blocks along memory, `columns` with blocks across it, in the
  // order of the stream of `rows`. After the amaxes x is read once where both
  // have the type of x (FP32 or BF16) or codes and scales as outputs, rules of
  // training, stochastic roundings or none, the same policy for values that are
  // not finite, and both statistics, of FP32, or neither; where `columns` has
  // blocks of at most 32 elements, and rows of memory that are whole blocks of
  // `rows`, a power of two from 16 to 64. Else as two calls, with the same
  // bits.
  virtual absl::Status QuantizeBothWays(const TensorView& x,
                                        const DeviceOperand& rows,
                                        const DeviceOperand& columns) const = 0;

  virtual absl::Status Dequantize(const Recipe& recipe, const BlockGrid& grid,
                                  const QuantizedView& x,
                                  const MutableTensorView& y,
                                  const QuantizeOptions& options) const = 0;
};

// "CPU", "CUDA".
absl::string_view NameOf(Device device);

// InvalidArgument, with both names, unless input and output lie on one device.
absl::Status CheckOneDevice(Device input, Device output);

// For the implementation: before main, once a device. It is never deleted.
void RegisterDeviceQuantizer(Device device, const DeviceQuantizer* quantizer);

// Null where none is linked.
const DeviceQuantizer* FindDeviceQuantizer(Device device);

}  // namespace cnn_fp4::quant

#endif  // QUANT_DEVICE_QUANTIZER_H_
