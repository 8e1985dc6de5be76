#ifndef QUANT_CUDA_HOST_EXECUTOR_H_
#define QUANT_CUDA_HOST_EXECUTOR_H_

// Runs the bodies of the CUDA kernels on the CPU, thread by thread and warp by
// warp, on memory of the host. Slow; for tests on machines without a GPU.

#include "quant/cuda/executor.h"

namespace cnn_fp4::quant::cuda {

class HostExecutor : public Executor {
 public:
  absl::Status Run(Kernel kernel, const QuantizeArgs& args) override;
  absl::Status RunBoth(BothKernel kernel, const QuantizeArgs& rows,
                       const QuantizeArgs& columns) override;
  absl::StatusOr<void*> AllocateZeros(size_t bytes) override;
  void Free(void* memory) override;
  absl::Status Zero(void* memory, size_t bytes) override;
};

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_HOST_EXECUTOR_H_
