#ifndef NN_RUNTIME_H_
#define NN_RUNTIME_H_

// The process's LibTorch, for programs that need not see its headers.

#include <string>

#include "absl/status/statusor.h"

namespace cnn_fp4::nn {

// Call it before the first tensor operation.
//
// threads: CPU threads of all operations, ours included; 0: LibTorch's choice,
// which is OMP_NUM_THREADS or one for each core. Sums depend on the number in
// their last bits, so runs that must repeat exactly fix it.
//
// With a given number of threads all sums are repeated bit for bit. MKL, which
// LibTorch uses for small matrix products, does so only in its mode of
// "conditional numerical reproducibility" (MKL_CBWR=AUTO, set here unless the
// environment has another value); without, the order of its sums depends on
// how busy the machine is.
//
// From then on the process keeps memory that it frees, up to its own peak,
// because asking the kernel for it at every step takes up to a quarter of it.
void InitRuntime(int threads);

// "cpu" or "cuda" for "cpu", "cuda" or "auto". InvalidArgument for another
// name, FailedPrecondition for "cuda" without a usable device. But for "cpu" it
// loads LibTorch's CUDA libraries, which nothing else does, so call it before
// the first tensor operation.
absl::StatusOr<std::string> ResolveDevice(const std::string& name);

// CPU threads of all operations: what InitRuntime came to.
int NumThreads();

std::string LibTorchVersion();

}  // namespace cnn_fp4::nn

#endif  // NN_RUNTIME_H_
