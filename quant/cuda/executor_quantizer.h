#ifndef QUANT_CUDA_EXECUTOR_QUANTIZER_H_
#define QUANT_CUDA_EXECUTOR_QUANTIZER_H_

// quant::DeviceQuantizer over an executor: checks a call, chooses the way and
// runs its passes. The same code drives a GPU and, in tests, the CPU.

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "quant/cuda/executor.h"
#include "quant/cuda/quantize_args.h"
#include "quant/device_quantizer.h"

namespace cnn_fp4::quant::cuda {

class ExecutorQuantizer : public DeviceQuantizer {
 public:
  // Makes the executor of a stream.
  using MakeExecutor = std::function<std::unique_ptr<Executor>(void* stream)>;

  explicit ExecutorQuantizer(MakeExecutor make_executor);

  absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                            const TensorView& x, const MutableTensorView& y,
                            const QuantizeOptions& options) const override;
  absl::Status QuantizeOperand(const Recipe& recipe, const BlockGrid& grid,
                               const TensorView& x, const MutableTensorView& y,
                               float* tensor_scale,
                               const QuantizeOptions& options) const override;
  absl::Status Quantize(const Recipe& recipe, const BlockGrid& grid,
                        const TensorView& x, const QuantizedView& out,
                        const QuantizeOptions& options) const override;
  absl::Status QuantizeBothWays(const TensorView& x, const DeviceOperand& rows,
                                const DeviceOperand& columns) const override;
  absl::Status Dequantize(const Recipe& recipe, const BlockGrid& grid,
                          const QuantizedView& x, const MutableTensorView& y,
                          const QuantizeOptions& options) const override;

 private:
  // What an operand, or its codes and scales, take.
  absl::StatusOr<QuantizeArgs> OperandArgs(const TensorView& x,
                                           const DeviceOperand& operand) const;
  absl::Status Run(QuantizeArgs args, void* stream) const;
  absl::Status RunBoth(QuantizeArgs rows, QuantizeArgs columns,
                       void* stream) const;

  const MakeExecutor make_executor_;
};

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_EXECUTOR_QUANTIZER_H_
