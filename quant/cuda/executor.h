#ifndef QUANT_CUDA_EXECUTOR_H_
#define QUANT_CUDA_EXECUTOR_H_

// Where the passes of a quantisation run: a GPU's stream (cuda_quantizer.cc),
// or this thread, which walks the same grids of threads (host_executor.h).

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quant/cuda/quantize_args.h"

namespace cnn_fp4::quant::cuda {

class Executor {
 public:
  virtual ~Executor() = default;

  // Runs after everything that was run before; need not have ended on return.
  virtual absl::Status Run(Kernel kernel, const QuantizeArgs& args) = 0;
  // The same for two operands of one tensor.
  virtual absl::Status RunBoth(BothKernel kernel, const QuantizeArgs& rows,
                               const QuantizeArgs& columns) = 0;

  // Memory full of zeros for what is run from now on, until Free.
  virtual absl::StatusOr<void*> AllocateZeros(size_t bytes) = 0;
  virtual void Free(void* memory) = 0;

  virtual absl::Status Zero(void* memory, size_t bytes) = 0;
};

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_EXECUTOR_H_
