#include "nn/runtime.h"

#include <dlfcn.h>
#include <malloc.h>
#include <torch/torch.h>

#include <cstdlib>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::nn {
namespace {

// The CUDA part of LibTorch, with all of NVIDIA's libraries behind it. It is
// not linked, because loading it costs every process a third of its start; the
// binary's run path finds it. LibTorch remembers for good what it answered when
// it was first asked for a GPU, so this comes before.
bool LoadLibTorchCuda() {
  static const bool is_loaded =
      dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr;
  return is_loaded;
}

// A training step frees its tensors and the next one allocates them again. Left
// to itself glibc gives such blocks back to the kernel, which then clears each
// page anew: a tenth of a step in FP16, a quarter of one in FP4. What the
// environment says of malloc counts more.
void KeepFreedMemory() {
#ifdef __GLIBC__
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr ||
      std::getenv("MALLOC_TRIM_THRESHOLD_") != nullptr) {
    return;
  }
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace

void InitRuntime(int threads) {
  KeepFreedMemory();
  // LibTorch's MKL has no symbol for this; it reads the variable when first
  // used.
  setenv("MKL_CBWR", "AUTO", /*overwrite=*/0);
  if (threads > 0) at::set_num_threads(threads);
}

absl::StatusOr<std::string> ResolveDevice(const std::string& name) {
  if (name != "cpu" && name != "cuda" && name != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown device '", name, "'; known: cpu, cuda, auto"));
  }
  if (name == "cpu") return name;
  if (LoadLibTorchCuda() && torch::cuda::is_available()) {
    return std::string("cuda");
  }
  if (name == "auto") return std::string("cpu");
  return absl::FailedPreconditionError(
      "device cuda: this machine has no usable CUDA device; take cpu");
}

int NumThreads() { return at::get_num_threads(); }

std::string LibTorchVersion() { return TORCH_VERSION; }

}  // namespace cnn_fp4::nn
