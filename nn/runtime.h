#ifndef NN_RUNTIME_H_
#define NN_RUNTIME_H_

// The process's LibTorch, for programs that need not see its headers.

#include <string>

#include "absl/status/statusor.h"

namespace cnn_fp4::nn {

// CPU threads of all operations, ours included; 0: LibTorch's choice, which is
// OMP_NUM_THREADS or one for each core. Sums depend on the number in their last
// bits, so runs that must repeat exactly fix it.
void SetNumThreads(int threads);

// "cpu" or "cuda" for "cpu", "cuda" or "auto". InvalidArgument for another
// name, FailedPrecondition for "cuda" without a usable device.
absl::StatusOr<std::string> ResolveDevice(const std::string& name);

std::string LibTorchVersion();

}  // namespace cnn_fp4::nn

#endif  // NN_RUNTIME_H_
